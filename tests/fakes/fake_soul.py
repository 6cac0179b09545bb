"""The soul of the fake engine: real files without weights, and orders in what the user says.

Of a record's text, ``;`` between orders: ``imprint S`` takes so long to learn, ``unteachable``
fails, ``poison`` ends the process by SIGKILL, ``slow student`` never ends nor stops,
``small talk`` tells nothing. A night lasts as long as the records say: ``sleep S`` each, after
``doze S`` in which it does not dream yet; ``nightmare`` is rolled back, ``crowded`` has no memory,
``late`` is not heard of until it is stopped, though it is written. A question ``trace S`` takes so
long; an answer is as likely as many records were taught, and explained by those that share a word
with it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from soul_client.wire import (
    Dreamt,
    Empty,
    Error,
    ErrorCode,
    Kind,
    LoadedBody,
    Probed,
    Progress,
    SleepMarks,
    SleepReport,
    SoulDiff,
    SoulDifference,
    TextScore,
    TextScored,
)
from sould.bridge import (
    Examine,
    Examined,
    Imprint,
    Imprinted,
    Mark,
    Probe,
    Save,
    Sleep,
    Slept,
    Trace,
    Traced,
    Wake,
    Wear,
    Weighed,
    Worn,
)
from sould.errors import SouldError, SoulInvalid
from sould.soulfile.header import read_header, require_body
from sould.soulfile.history import SoulHome, again_of
from sould.soulfile.journal import Journal, JournalEntry
from sould.soulfile.meta import BodyShape, Dims, SoulMeta
from sould.soulfile.writing import write_empty

DIMS = Dims(n_layers=1, d_model=2, d_ff=3)
STEP_S = 0.005


class Engine(Protocol):
    """What of the fake engine is needed here."""

    cancelled: set[str]
    replies: set[str]

    def send(self, kind: Kind, id_: str, body: Struct) -> None: ...


class FakeSoul:
    """What is worn. ``asked`` and ``done`` are files that tell a test of imprints."""

    def __init__(self, engine: Engine, asked: str | None, done: str | None) -> None:
        self._engine = engine
        self._asked = asked
        self._done = done
        self._body = BodyShape(fingerprint="0" * 64, name="none", dims=DIMS)
        self._home: SoulHome | None = None
        self._taught: frozenset[str] = frozenset()  # in the generation
        self._learned: frozenset[str] = frozenset()  # since
        self._level = 0
        self._is_woken = False
        self._is_journaled = False

    def take_off(self, body: LoadedBody) -> None:
        """Note that another body is there, with no soul beside it."""
        self._body = BodyShape(fingerprint=body.fingerprint, name=body.name, dims=DIMS)
        self._home = None

    def steps(self, id_: str, params: Struct) -> Iterator[None]:
        """Carry a request out and answer it."""
        try:
            yield from self._steps(id_, params)
        except SouldError as e:
            error = Error(code=e.code, message=e.message, hint=e.hint)
            self._engine.send(Kind.ERROR, id_, error)

    def _steps(self, id_: str, params: Struct) -> Iterator[None]:
        match params:
            case Wear():
                self._engine.send(Kind.DONE, id_, self._wear(params))
            case Save():
                self._engine.send(Kind.DONE, id_, self._save(params))
            case Imprint():
                yield from self._imprint(id_, params)
            case Wake():
                self._is_woken = True
                self._engine.send(Kind.DONE, id_, Empty())
            case Sleep():
                yield from self._sleep(id_, params)
            case Examine():
                self._engine.send(Kind.DONE, id_, self._examine(params))
            case SoulDiff():
                probes = [Probed(ask=ask, a=params.a, b=params.b) for ask in params.probes]
                found = SoulDifference(a=params.a, b=params.b, layers=[], probes=probes)
                self._engine.send(Kind.DONE, id_, found)
            case Trace():
                yield from self._trace(id_, params)
            case TextScore():
                tokens = [len(text.split()) for text in params.texts]
                nats = [count * (2.0 if params.bare else 1.0) for count in tokens]
                self._engine.send(Kind.DONE, id_, TextScored(tokens=tokens, nats=nats))

    def _wear(self, order: Wear) -> Worn:
        self._home = None
        home = SoulHome(Path(order.folder))
        newest, notes = home.newest()
        if newest is None and notes:
            raise SoulInvalid(notes[0])
        if newest is None:
            number, path = home.next_path()
            home.begin_journal(path, write_empty(path, self._new(order.name)))
            newest = home.number(number)
        assert newest.meta is not None
        require_body(newest.meta, self._body)
        journal = Journal(home.journal)
        read = journal.read()
        if read is None or read.after != newest.meta.sha256:  # killed before it was begun
            journal.begin(newest.meta.sha256)
        entry = read.entry if read and read.after == newest.meta.sha256 else None
        self._home, self._taught = home, newest.meta.taught
        self._learned = entry.taught if entry else frozenset()
        self._level = entry.level if entry else newest.meta.level
        self._is_journaled = True
        again = sorted(again_of(newest.meta))
        return Worn(**{**_fields(self._worn_all()), "again": again, "notes": notes})

    def _new(self, name: str) -> SoulMeta:
        now = datetime.now().astimezone().isoformat()
        return SoulMeta(
            name=name,
            created=now,
            saved=now,
            body=self._body.fingerprint,
            body_name=self._body.name,
            family="fake",
            dims=DIMS,
            config={"why": "new", "since": now},
        )

    def _save(self, order: Save) -> Worn:
        assert self._home is not None
        if not self._is_journaled:
            self._write_journal()
        saved = self._home.keep_journal(now=datetime.now().astimezone(), why=order.why)
        if saved is not None and saved.meta is not None:
            self._taught, self._learned = saved.meta.taught, frozenset()
        return self._worn()

    def _worn(self) -> Worn:
        assert self._home is not None
        newest, _ = self._home.newest()
        assert newest is not None and newest.meta is not None
        return Worn(
            name=self._home.name,
            generation=newest.number,
            level=self._level,
            saved=newest.meta.saved,
            since=str(newest.meta.config["since"]),
            is_unsaved=bool(self._learned),
        )

    def _worn_all(self) -> Worn:
        return Worn(**{**_fields(self._worn()), "taught": [*self._taught, *self._learned]})

    def _examine(self, order: Examine) -> Examined:
        """Know what was taught, whatever is asked; the bare body knows nothing."""
        asked = [Probe(id=r.id, question="?", answer=r.text) for r in order.records]
        probes = order.probes or asked
        known = self._taught | self._learned
        worn = [
            Mark(says=one.id in known, log_p=-0.25 if one.id in known else -4.0) for one in probes
        ]
        return Examined(probes=probes, worn=worn, bare=[Mark(says=False, log_p=-4.0)] * len(probes))

    def _imprint(self, id_: str, order: Imprint) -> Iterator[None]:
        record = order.record
        _note(self._asked, {"text": record.text, "recent": [r.text for r in order.recent]})
        orders = [part.strip() for part in record.text.split(";")]
        left_s = sum(float(part.split()[1]) for part in orders if part.startswith("imprint "))
        while "slow student" in orders:
            time.sleep(60)
        while left_s > 0 or self._engine.replies:
            if id_ in self._engine.cancelled:
                error = Error(code=ErrorCode.CANCELLED, message="stopped")
                return self._engine.send(Kind.ERROR, id_, error)
            time.sleep(STEP_S)
            left_s -= 0 if self._engine.replies else STEP_S
            yield
        if "poison" in orders:
            os.kill(os.getpid(), signal.SIGKILL)
        if "unteachable" in orders:
            raise SoulInvalid("not to be learned")
        is_known = record.id in self._taught | self._learned
        tokens = 0 if is_known or "small talk" in orders else len(record.text.split())
        self._level += tokens
        self._learned |= {record.id}
        fault = ""
        try:
            self._write_journal()
            _note(self._done, {"text": record.text})
        except SouldError as e:
            fault = e.message
        done = Imprinted(
            id=record.id,
            tokens=tokens,
            level=self._level,
            is_durable=self._is_journaled,
            fault=fault,
        )
        self._engine.send(Kind.DONE, id_, done)

    def _sleep(self, id_: str, order: Sleep) -> Iterator[None]:
        if order.dreams:
            _note(self._asked, {"dreams": [[d.question, d.answer] for d in order.dreams]})
        orders = [part.strip() for r in order.records for part in r.text.split(";")]
        new = {r.id for r in order.records} - order.nights.keys()
        read = sum(bool(r.source) for r in order.records)
        count = len(order.records) - read
        if not new:
            report = SleepReport(outcome="nothing", why="nothing new", level=self._level)
            return self._engine.send(Kind.DONE, id_, Slept(report=report, worn=self._worn()))
        doze_s, left_s = (
            sum(float(part.split()[1]) for part in orders if part.startswith(verb))
            for verb in ("doze ", "sleep ")
        )
        self._is_woken = False
        while doze_s > 0 or (left_s > 0 and not self._is_woken) or self._engine.replies:
            if id_ in self._engine.cancelled:
                error = Error(code=ErrorCode.CANCELLED, message="stopped")
                return self._engine.send(Kind.ERROR, id_, error)
            dreaming = Progress(
                stage="dreaming", done=1, total=2, note="What is my cat called?", loss=0.5
            )
            stage = Progress(stage="preparing") if doze_s > 0 else dreaming
            self._engine.send(Kind.PROGRESS, id_, stage)
            time.sleep(STEP_S)
            left_s -= 0 if self._engine.replies or doze_s > 0 else STEP_S
            doze_s -= STEP_S
            yield
        if "crowded" in orders:
            error = Error(code=ErrorCode.NO_MEMORY, message="no room to dream")
            return self._engine.send(Kind.ERROR, id_, error)
        is_kept = "nightmare" not in orders
        if is_kept:
            self._level += sum(
                len(r.text.split())
                for r in order.records
                if r.id not in self._taught | self._learned
            )
            self._learned |= new
            self._write_journal()
            self._save(Save(why="sleep"))
        while "late" in orders and id_ not in self._engine.cancelled:
            self._engine.send(Kind.PROGRESS, id_, Progress(stage="examining"))
            time.sleep(STEP_S)
            yield
        report = SleepReport(
            outcome="kept" if is_kept else "rolled_back",
            why="" if is_kept else "it was a nightmare",
            before=SleepMarks(recalled=0, facts=count, drift=0.0, statements=read),
            after=SleepMarks(recalled=count, facts=count, drift=0.01, stated=read, statements=read),
            steps=7,
            seconds=0.5,
            level=self._level,
            facts=[
                Dreamt(
                    id=r.id,
                    after=is_kept,
                    nights=order.nights.get(r.id, 0),
                    question="What was that?",
                    said_before="I don't know.",
                    said_after=f"You said: {r.text}",
                )
                for r in order.records
            ],
        )
        return self._engine.send(Kind.DONE, id_, Slept(report=report, worn=self._worn_all()))

    def _trace(self, id_: str, order: Trace) -> Iterator[None]:
        left_s = float(order.question.split()[1]) if order.question.startswith("trace ") else 0.0
        while left_s > 0:
            if id_ in self._engine.cancelled:
                error = Error(code=ErrorCode.CANCELLED, message="stopped")
                return self._engine.send(Kind.ERROR, id_, error)
            self._engine.send(Kind.PROGRESS, id_, Progress(stage="tracing", done=1, total=2))
            time.sleep(STEP_S)
            left_s -= STEP_S
            yield
        answer = order.answer or "Biscuit"
        counts = [len(read_header(Path(path)).taught) if path else 0 for path in order.souls]
        shared = [len({*r.text.split()} & {*answer.split()}) for r in order.told]
        traced = Traced(
            answer=answer,
            tokens=1,
            souls=[-4.0 + count for count in counts],
            told=[
                Weighed(text=r.text, log_p=-3.0 + count)
                for r, count in zip(order.told, shared, strict=True)
            ],
            unrelated=-3.0,
        )
        return self._engine.send(Kind.DONE, id_, traced)

    def _write_journal(self) -> None:
        assert self._home is not None
        self._is_journaled = False
        entry = JournalEntry(taught=self._learned, level=self._level, shapes={}, data=[])
        Journal(self._home.journal).append(entry)
        self._is_journaled = True


def _fields(struct: Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _note(path: str | None, fact: dict[str, Any]) -> None:
    if path is not None:
        with Path(path).open("a") as file:
            file.write(json.dumps(fact) + "\n")
