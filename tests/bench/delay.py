"""What learning adds to the next reply's first token, in the engine's own process.

A conversation goes on, a word at a time, now while a lesson runs and now while none does; and then
through a whole night.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from soul_client.wire import ChatMessage, Kind, Sampling
from sould.bridge import Generate, Imprint, Sleep, Told, Wear
from sould.soulfile.history import SoulHome
from tests.bench.table import ROOT, Env, Row
from tests.bench.workplace import percentile
from tests.fakes.engine_client import EngineClient

SAMPLES, A_BLOCK = 120, 12
TURNS = 16  # of a conversation; the first of each is not measured
WAIT_S = (0.05, 0.7)  # between replies: at any moment of a lesson
NIGHT_WAIT_S = (0.5, 5.0)  # a step that is given up is begun again: with less it would take none
QUIET_S, BUSY_PERCENT = 0.5, 20
LONGEST_S = 240
BAR_MS, NIGHT_BAR_MS = 60, 250
DREAMT = 2  # facts, of which the night is: it takes minutes among replies
ONE = Sampling(temperature=0, max_tokens=1)

QUESTIONS = ("What shall I cook?", "Is it late?", "Any news?", "Tell me more.", "Why is that?")
FACTS = (
    "My cat is called Biscuit.",
    "I work as a lighthouse keeper.",
    "My sister lives in Porto.",
    "I was born on the 3rd of June.",
    "My favourite soup is borscht.",
    "I drive an old green van.",
    "My neighbour Olga plays the tuba.",
    "I am allergic to walnuts.",
)


@dataclass
class Talk:
    """A conversation. ``ended``: lessons that were over meanwhile; ``new_tokens``: of each prompt,
    what had to be computed.
    """

    engine: EngineClient
    messages: list[ChatMessage] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    new_tokens: list[int] = field(default_factory=list)

    def reply_s(self) -> float:
        """Say something and return when the first token of the reply was there."""
        if len(self.messages) >= 2 * TURNS:
            self.messages.clear()
            self._say()
        return self._say()

    def _say(self) -> float:
        question = QUESTIONS[len(self.messages) // 2 % len(QUESTIONS)]
        self.messages.append(ChatMessage(role="user", text=question))
        begun_s = time.perf_counter()
        id_ = self.engine.send("generate", Generate(messages=self.messages, sampling=ONE))
        first_s = 0.0
        while True:
            header, raw = self.engine.receive()
            if header.kind is Kind.ERROR:
                raise RuntimeError(f"the engine refused: {raw}")
            if header.id != id_:
                if header.kind is Kind.DONE:
                    self.ended.add(header.id)
                continue
            if header.kind is not Kind.PROGRESS and not first_s:
                first_s = time.perf_counter() - begun_s
            if header.kind is Kind.DONE:
                usage = raw["usage"]
                self.new_tokens.append(usage["prompt_tokens"] - usage["cached_tokens"])
                self.messages.append(ChatMessage(role="assistant", text=raw["text"] or "…"))
                return first_s


@dataclass
class Lessons:
    """Facts that are taught one after the other."""

    talk: Talk
    taught: list[Told] = field(default_factory=list)
    running: str = ""

    def go_on(self) -> None:
        """See to it that a lesson runs."""
        if self.running and self.running not in self.talk.ended:
            return
        n = len(self.taught)
        told = Told(id=f"20260102T030405-{n:08x}u", text=FACTS[n % len(FACTS)])
        order = Imprint(record=told, recent=self.taught[-4:])
        self.running = self.talk.engine.send("imprint", order)
        self.taught.append(told)

    def stop(self) -> None:
        """Put the lesson off, as the supervisor does before a save; then nothing runs."""
        if self.running not in self.talk.ended:
            self.talk.engine.cancel(self.running)
            self.talk.engine.wait(self.running)
        self.running = ""


def run(env: Env) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT) as folder:
        home = SoulHome(Path(folder) / "mika")
        home.create()
        with EngineClient(Path(folder), level="INFO", OMP_NUM_THREADS=str(env.threads)) as engine:
            engine.load(env.body, cache_dir=str(env.cache_dir), kernel="auto", threads=env.threads)
            engine.call("soul.wear", Wear(name="mika", folder=str(home.folder), inner_lr=1e-3))
            return _rows(engine)


def _rows(engine: EngineClient) -> list[Row]:
    chance, talk = random.Random(0), Talk(engine)
    lessons = Lessons(talk)
    lessons.go_on()
    engine.wait(lessons.running, timeout_s=LONGEST_S)  # what every lesson needs is there now
    talk.ended.add(lessons.running)
    _await_quiet(engine)
    with_s, without_s = list[float](), list[float]()
    while len(without_s) < SAMPLES:
        with_s += _block(chance, talk, lessons)
        lessons.stop()
        _await_quiet(engine)
        without_s += _block(chance, talk, None)
    rows = _judged(with_s, without_s, talk, len(lessons.taught))
    _await_quiet(engine)
    return [*rows, *_judged_night(_through_a_night(chance, talk), without_s)]


def _through_a_night(chance: random.Random, talk: Talk) -> list[float]:
    """Return how long replies took, one after the other, until a night was over."""
    told = [
        Told(id=f"20260103T030405-{n:08x}u", text=text) for n, text in enumerate(FACTS[:DREAMT])
    ]
    night, taken = talk.engine.send("soul.sleep", Sleep(records=told)), list[float]()
    while night not in talk.ended:
        time.sleep(chance.uniform(*NIGHT_WAIT_S))
        taken.append(talk.reply_s())
    return taken


def _judged_night(night_s: Sequence[float], without_s: Sequence[float]) -> list[Row]:
    added_ms = (max(night_s) - statistics.median(without_s)) * 1e3
    return [
        _row("first token, at night", night_s, f"{len(night_s)} replies, {DREAMT} facts"),
        _added(
            "delay added by a night, most",
            added_ms,
            NIGHT_BAR_MS,
            "the slowest reply of the night, less the median without",
        ),
    ]


def _block(chance: random.Random, talk: Talk, lessons: Lessons | None) -> list[float]:
    """Return how long some replies took, each at a random moment after the one before."""
    taken = []
    for _ in range(A_BLOCK):
        if lessons is not None:
            lessons.go_on()
        time.sleep(chance.uniform(*WAIT_S))
        taken.append(talk.reply_s())
    return taken


def _await_quiet(engine: EngineClient) -> None:
    """Wait until the engine has nothing to do: it also prepares lessons unasked."""
    process, until_s = psutil.Process(engine.process.pid), time.monotonic() + LONGEST_S
    while process.cpu_percent(QUIET_S) > BUSY_PERCENT and time.monotonic() < until_s:
        pass


def _judged(
    with_s: Sequence[float], without_s: Sequence[float], talk: Talk, lessons: int
) -> list[Row]:
    usual_ms = statistics.median(without_s) * 1e3
    added_ms = percentile(with_s, 0.99) * 1e3 - usual_ms
    each = f"{len(with_s)} replies each, in turn, {A_BLOCK} at a time"
    prompts = f"{statistics.median(talk.new_tokens):.0f} new tokens each, {lessons} lessons"
    return [
        _row("first token", without_s, each),
        _row("first token, a lesson running", with_s, prompts),
        _added(
            "delay added by learning, p99",
            added_ms,
            BAR_MS,
            "p99 with a lesson, less the median without",
        ),
        Row(
            name="… less the p99 without",
            value=added_ms + usual_ms - percentile(without_s, 0.99) * 1e3,
            unit="ms",
            note="what the machine's own noise leaves of it",
        ),
    ]


def _added(name: str, added_ms: float, most_ms: int, note: str) -> Row:
    is_ok = added_ms <= most_ms
    return Row(name=name, value=added_ms, unit="ms", bar=f"≤ {most_ms} ms", ok=is_ok, note=note)


def _row(name: str, taken_s: Sequence[float], note: str) -> Row:
    worst_ms = percentile(taken_s, 0.99) * 1e3
    value = statistics.median(taken_s) * 1e3
    return Row(name=name, value=value, unit="ms", note=f"p99 {worst_ms:.0f} ms; {note}")
