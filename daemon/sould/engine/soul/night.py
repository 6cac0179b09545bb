"""One night: what was told is gone over as dreams, examined, and kept or rolled back.

The dreamer is a soul of its own, and the one that is worn stays as it is until the night is
over: who talks meanwhile talks to whom they talked in the evening.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from soul_client.wire import Progress, SleepMarks
from sould.engine.decoder import Decoder
from sould.engine.soul import imprint
from sould.engine.soul.anchors import Anchor
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.curriculum import Curriculum, Fact
from sould.engine.soul.curvature import Curvature
from sould.engine.soul.facts import gist, said_back
from sould.engine.soul.imprint import Imprinter, Recipe
from sould.engine.soul.products import patiently
from sould.engine.soul.scoring import Scorer
from sould.engine.soul.topics import Topic
from sould.engine.soul.weights import Soul

T = TypeVar("T")

SLOW = "slow"
EXAM_ROWS = 16
EXAM_ANCHORS = 48


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a night must not do. ``most_lost``: share of the facts recalled before that may be
    gone. ``most_drift``: nats a token at the anchors.
    """

    most_lost: float = 0.1
    most_drift: float = 0.05

    def fault(self, before: SleepMarks, after: SleepMarks) -> str:
        """Return why what was dreamt is not kept, or "". Pure."""
        if after.drift > self.most_drift:
            return (
                f"what is said of other things drifted by {after.drift:.3f} nats a token, "
                f"more than {self.most_drift:g}"
            )
        lost = before.recalled - after.recalled
        if lost > self.most_lost * before.recalled:
            return f"{after.recalled} of {after.facts} facts are recalled, {before.recalled} before"
        return ""


@dataclass(frozen=True, kw_only=True)
class Dreamt:
    """What became of a night. ``soul``: the one that passed, None if none did."""

    soul: Soul | None
    why: str
    before: SleepMarks
    after: SleepMarks
    steps: int
    seconds: float


Dreaming = Generator[Progress | None, None, Dreamt]


class Night:
    """Goes over facts. Every piece of work is small; yields progress, or None."""

    def __init__(
        self,
        decoder: Decoder,
        form: ChatForm,
        topics: Sequence[Topic],
        anchors: Sequence[Anchor],
        curvature: Curvature,
        *,
        recipe: Recipe,
        should_yield: Callable[[], bool],
        steps_a_fact: int = 10,
        most_steps: int = 600,
        gate: Gate | None = None,
    ) -> None:
        self._decoder = decoder
        self._form = form
        self._topics = topics
        self._anchors = anchors
        self._curvature = curvature
        self._recipe = recipe
        self._should_yield = should_yield
        self._steps_a_fact = steps_a_fact
        self._most_steps = most_steps
        self._gate = gate or Gate()

    def dream(self, worn: Soul, facts: Sequence[Fact], seed: int) -> Dreaming:
        """Dream of all facts, and say whether what came of it may be kept."""
        started_s = time.perf_counter()
        yield Progress(stage="examining")
        before = yield from self._examine(worn, facts)
        dreamer = awake_copy(worn, seed)
        imprinter = Imprinter(
            self._decoder,
            dreamer,
            self._form,
            self._anchors,
            self._curvature,
            recipe=self._recipe,
            should_yield=self._should_yield,
            part=SLOW,
            seed=seed,
        )
        yield from imprinter.prepare()
        curriculum = Curriculum([dreamt_of(topic) for topic in self._topics], facts, seed)
        total = min(self._most_steps, max(20, self._steps_a_fact * len(facts)))
        progress = imprint.Progress()
        for _ in imprinter.study(curriculum, total, progress):
            yield Progress(stage="dreaming", done=progress.steps, total=total)
        yield Progress(stage="examining")
        after = yield from self._examine(dreamer, facts)
        why = self._gate.fault(before, after)
        if progress.fault is not None:
            why = f"a step was undone: {progress.fault.where} is {progress.fault.what}"
        return Dreamt(
            soul=None if why else dreamer,
            why=why,
            before=before,
            after=after,
            steps=progress.steps,
            seconds=round(time.perf_counter() - started_s, 1),
        )

    def _examine(self, soul: Soul, facts: Sequence[Fact]) -> Generator[None, None, SleepMarks]:
        scorer = Scorer(self._decoder, soul, should_yield=self._should_yield)
        curriculum = Curriculum(self._topics, facts, seed=0)
        lines = [
            self._form.line(
                curriculum.best_topic(fact).questions[-1], said_back(gist(fact.statement))
            )
            for fact in facts
        ]
        recalled = 0
        for some in _portions(lines):
            recalled += sum((yield from patiently(partial(scorer.says, self._form.prefix, some))))
            yield
        chat = [anchor for anchor in self._anchors if anchor.is_chat][:EXAM_ANCHORS]
        drifts: list[float] = []
        for anchors in _portions(chat):
            look = partial(
                scorer.divergence,
                self._form.prefix,
                [anchor.line for anchor in anchors],
                [anchor.target for anchor in anchors],
            )
            drifts += yield from patiently(look)
            yield
        drift = sum(drifts) / max(1, len(drifts))
        return SleepMarks(recalled=recalled, facts=len(facts), drift=round(drift, 5))


def awake_copy(worn: Soul, seed: int) -> Soul:
    """Return a soul with the slow weights of ``worn`` and no fast ones."""
    copy = Soul(worn.spec, ranks=worn.ranks, seed=seed, limits=worn.limits)
    slow = worn.tensors(SLOW)

    def take() -> None:
        for name, weight in copy.tensors(SLOW).items():
            weight.copy_(slow[name])

    fault = copy.change(take)
    assert fault is None, fault
    return copy


def dreamt_of(topic: Topic) -> Topic:
    """Return a topic without the wording that is kept for the exam, if it has others."""
    return replace(topic, questions=topic.questions[:-1] or topic.questions)


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), EXAM_ROWS):
        yield items[start : start + EXAM_ROWS]
