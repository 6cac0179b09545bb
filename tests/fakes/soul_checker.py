"""Judges what a kill has left of souls and diary, with the readers of the product itself."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event

import torch

from soul_client.wire import TextScore, TextScored
from sould.engine import souls
from sould.engine.loading import load
from sould.engine.soul.facts import fact
from sould.engine.soul.tensors import soul_of
from sould.soulfile.opening import Opened, open_soul
from sould.soulfile.record import verify
from sould.supervisor.diary import Diary, Record
from sould.supervisor.waiting import find_waiting
from tests.fakes.tiny_home import load_request

TEXTS = ["The cat sat on the mat.", "My cat is called Biscuit, and it rains."]

_TORN = re.compile(r"the last \d+ bytes of the journal were torn")


@dataclass(kw_only=True)
class Found:
    """A soul as it lies on disk. ``waiting``: ids of records it has yet to learn."""

    level: int = 0
    taught: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()
    nats: list[float] = field(default_factory=list)
    is_torn: bool = False


class Checker:
    """Reads copies of what lies in a workspace: readers mend what is torn.

    It has the body of a tiny home itself, and its own sums of how likely texts are to it.
    """

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(1)
        self._workspace = folder / "workspace"
        request = load_request(folder)
        self._body = load(request, should_stop=lambda: False, tell=lambda _: None)
        self.shape = souls.wearer_of(self._body).shape
        self.files = self.compared = 0

    def names(self) -> list[str]:
        """Return the souls there are."""
        return sorted(p.name for p in (self._workspace / "souls").iterdir() if p.is_dir())

    def said(self) -> list[Record]:
        """Return what users said, as far as it is in the diary, each by its id once."""
        diary = self._diary()
        records = [
            record
            for path in reversed(diary.files())
            for record in diary.read(path)
            if record.role == "user"
        ]
        assert len({record.id for record in records}) == len(records)
        return records

    def look(self, name: str, *, is_scored: bool = True) -> Found:
        """Open a copy of a soul as the engine would; everything in it must be sound."""
        with tempfile.TemporaryDirectory(prefix="look-", dir=self._workspace.parent) as scratch:
            folder = Path(scratch) / name
            shutil.copytree(self._workspace / "souls" / name, folder)
            self._verify(folder)
            opened = open_soul(folder, self.shape)
        if opened is None:
            return Found()
        notes = [note for note in opened.notes if not _TORN.match(note)]
        assert notes == [], f"soul {name} was mended: {notes}"
        meta = opened.record.meta
        since = str(meta.config["since"])
        found = find_waiting(self._diary(), name, since, meta.taught)
        return Found(
            level=meta.level,
            taught=meta.taught,
            waiting=frozenset(told.id for told in found.waiting),
            nats=self._score(opened) if is_scored else [],
            is_torn=bool(opened.notes),
        )

    def _verify(self, folder: Path) -> None:
        for path in sorted(folder.glob("*.soul")):
            report = verify(path)
            assert report.faults == (), f"{folder.name}/{path.name}: {report.faults}"
            self.files += 1

    def _score(self, opened: Opened) -> list[float]:
        body = self._body
        spec, limits = body.decoder.spec, body.soul_limits
        body.decoder.soul = soul_of(spec, opened.record.tensors, limits=limits, seed=0)
        return _end(souls.score(body, TextScore(texts=TEXTS), Event().is_set)).nats

    def _diary(self) -> Diary:
        return Diary(self._workspace / "memories", lambda: datetime.now().astimezone())


def level_of(records: Collection[Record], taught: frozenset[str]) -> int:
    """Return the level that learning each of these once gives: the tiny body's tokens are bytes."""
    by_id = {record.id: record for record in records}
    return sum(len(by_id[id_].text.encode()) for id_ in taught)


def tells(record: Record) -> bool:
    """Whether there is anything to learn in a record."""
    return bool(fact(record.text))


def _end(steps: Iterator[object]) -> TextScored:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            assert isinstance(end.value, TextScored)
            return end.value
