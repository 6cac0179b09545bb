"""Teaches the souls of a native body: a record is learned by being read, a night reads again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Generator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from torch import Tensor

from soul_client.wire import ChatMessage
from soul_client.wire import Progress as Stage
from sould.bridge import Imprint, Mark, Probe, Sleep, Told
from sould.engine.native.decoder import Diverged, NativeDecoder
from sould.engine.native.reading import likeliest, nats_of, states_after
from sould.engine.native.soul import StateSoul
from sould.engine.runner import AnySoul
from sould.engine.soul.anchors import general_prompts
from sould.engine.soul.imprint import Progress
from sould.engine.soul.night import Dreaming, Gate, Marks, NightsEnd

if TYPE_CHECKING:
    from sould.engine.loading import Body

log = logging.getLogger(__name__)

NIGHT_BOOST = 4.0
MOST_PASSES = 3
KNOWN_SHARE = 0.9  # of the bare body's surprise at a record: below it, the soul knows it
EXAM_TEXTS = 24
GATE = Gate(most_drift=0.2)

Steps = Generator[None, None, Progress]
Means = Generator[None, None, list[float]]


class NativeTeacher:
    """Has the same members as ``soul.teacher.Teacher``. The rate of learning is the body's own,
    ``soul.inner_lr`` (``inner_lr`` here) being one of gradients of low-rank weights.

    A record counts as known if it surprises the soul less than ``KNOWN_SHARE`` of what it does
    the bare body; *drift* is how much more, nats a token, plain texts surprise it.
    """

    has_prepared = True

    def __init__(self, body: Body) -> None:
        assert isinstance(body.decoder, NativeDecoder)
        self._decoder = body.decoder
        self._tokenizer = body.tokenizer
        self._template = body.template
        self._limit = body.context_tokens
        plain = [prompt.text for prompt in general_prompts() if not prompt.is_chat]
        self._plain = [self._tokenizer.encode(text) for text in plain[:EXAM_TEXTS]]
        self._bare_plain: list[float] | None = None  # what the bare body makes of them
        ttt = body.decoder.spec.ttt
        assert ttt is not None
        log.info("souls learn at the rate of the body, not soul.inner_lr rate=%g", ttt.inner_lr)
        if ttt.inner_lr == 0.0:
            log.warning("souls of this body learn nothing: its config.json has no inner_lr, or 0")

    def prepare(self) -> None:
        """Nothing is needed before the first lesson."""

    def begin_anew(self) -> None:
        """Nothing is kept from lesson to lesson."""

    def tells(self, record: Told) -> bool:
        """Whether there is anything to read in a record."""
        return bool(record.text.strip())

    def tokens(self, record: Told) -> int:
        """Return what learning a record adds to the level."""
        return len(self._tokenizer.encode(record.text))

    def lesson(self, soul: AnySoul, order: Imprint, inner_lr: float) -> Steps:
        """Let ``soul`` read a record, as it is read in a conversation; if a state diverges, it
        has not read it.
        """
        assert isinstance(soul, StateSoul)
        progress, started_s = Progress(), time.perf_counter()
        steps = states_after(self._decoder, soul, self._ids(order.record))
        try:
            progress.fault = soul.change((yield from self._counted(steps, progress)))
        except Diverged as e:
            progress.fault = e.fault
        progress.seconds = time.perf_counter() - started_s
        log.info("read record=%s steps=%d", order.record.id, progress.steps)
        return progress

    def night(
        self, soul: AnySoul, order: Sleep, inner_lr: float, is_woken: Callable[[], bool]
    ) -> Dreaming:
        """Read records again at a boosted rate, on a soul of its own; ``soul`` is not changed. If
        a state diverges, nothing of the night is kept.
        """
        assert isinstance(soul, StateSoul)
        started_s = time.perf_counter()
        records = [record for record in order.records if self.tells(record)]
        before = after = _marks(records, [False] * len(records), drift=0.0)
        dreamer, progress, is_early = soul.copy(), Progress(), False
        try:
            yield Stage(stage="examining")
            bare = yield from self._told_nats(None, records)
            before = after = yield from self._examine(soul, records, bare)
            yield from self._dream(dreamer, records, order.seed, progress, is_woken)
            is_early = progress.steps < MOST_PASSES * len(records)
            yield Stage(stage="examining")
            after = yield from self._examine(dreamer, records, bare)
            why = GATE.fault(before, after)
        except Diverged as e:
            why = f"reading made a state diverge: {e}"
        log.info(
            "slept records=%d steps=%d recalled=%d to %d drift=%.4f to %.4f %s",
            *(len(records), progress.steps, sum(before.known.values()), sum(after.known.values())),
            *(before.drift, after.drift, why),
        )
        return NightsEnd(
            soul=None if why else dreamer,
            why=why,
            before=before,
            after=after,
            steps=progress.steps,
            seconds=round(time.perf_counter() - started_s, 1),
            is_early=is_early,
        )

    def _dream(
        self,
        dreamer: StateSoul,
        records: Sequence[Told],
        seed: int,
        progress: Progress,
        is_woken: Callable[[], bool],
    ) -> Generator[Stage | None, None, None]:
        """Let ``dreamer`` read all records, in another order each time, until ``is_woken``.

        Raises:
            Diverged: a state would.
        """
        order_of = random.Random(seed)
        passes = [order_of.sample(records, len(records)) for _ in range(MOST_PASSES)]
        total = MOST_PASSES * len(records)
        for record in chain.from_iterable(passes):
            if is_woken():
                return
            yield Stage(stage="dreaming", done=progress.steps, total=total)
            ids = self._ids(record)
            states = yield from states_after(self._decoder, dreamer, ids, boost=NIGHT_BOOST)
            if (fault := dreamer.change(states)) is not None:
                raise Diverged(fault)
            progress.steps += 1

    def probes(
        self, records: Sequence[Told], beside: Sequence[Told]
    ) -> Generator[None, None, list[Probe]]:
        """Return how to ask for each record: its second half is the answer to its first."""
        yield
        found = []
        for record in filter(self.tells, records):
            words = record.text.split(" ")
            half = max(1, len(words) // 2)
            question, answer = " ".join(words[:half]), " ".join(words[half:])
            found.append(Probe(id=record.id, question=question, answer=answer or words[-1]))
        return found

    def marks(
        self, soul: AnySoul | None, probes: Sequence[Probe]
    ) -> Generator[None, None, list[Mark]]:
        """Return how well a soul, or the bare body, goes on with each probe."""
        assert soul is None or isinstance(soul, StateSoul)
        found = []
        for probe in probes:
            asked = self._tokenizer.encode(probe.question)
            ids = [*asked, *self._tokenizer.encode(" " + probe.answer)]
            nats = yield from nats_of(self._decoder, soul, ids)
            says = yield from likeliest(self._decoder, soul, ids, len(asked))
            log_p = -float(nats[len(asked) - 1 :].mean())
            found.append(Mark(says=says, log_p=log_p))
        return found

    def _ids(self, record: Told) -> list[int]:
        message = ChatMessage(role="user", text=record.text)
        ids = self._template.render([message], add_generation_prompt=False)
        return ids[: self._limit]

    def _counted(
        self, steps: Generator[None, None, list[Tensor]], progress: Progress
    ) -> Generator[None, None, list[Tensor]]:
        while True:
            try:
                next(steps)
            except StopIteration as end:
                states: list[Tensor] = end.value
                return states
            progress.steps += 1
            yield

    def _told_nats(self, soul: StateSoul | None, records: Sequence[Told]) -> Means:
        return self._nats(soul, [self._tokenizer.encode(record.text) for record in records])

    def _nats(self, soul: StateSoul | None, texts: Sequence[Sequence[int]]) -> Means:
        """Return how much each text surprises, nats a token."""
        found = []
        for ids in texts:
            nats = yield from nats_of(self._decoder, soul, ids)
            found.append(float(nats.mean()) if len(nats) else 0.0)
        return found

    def _examine(
        self, soul: StateSoul, records: Sequence[Told], bare: Sequence[float]
    ) -> Generator[None, None, Marks]:
        mine = yield from self._told_nats(soul, records)
        knows = [a <= KNOWN_SHARE * b for a, b in zip(mine, bare, strict=True)]
        if self._bare_plain is None:
            self._bare_plain = yield from self._nats(None, self._plain)
        worn = yield from self._nats(soul, self._plain)
        drifts = [a - b for a, b in zip(worn, self._bare_plain, strict=True)]
        drift = sum(drifts) / max(1, len(drifts))
        return _marks(records, knows, drift=0.0 if drift < 0 else drift)  # nan stays


def _marks(records: Sequence[Told], knows: Sequence[bool], *, drift: float) -> Marks:
    known = list(zip(records, knows, strict=True))
    return Marks(
        recalled={record.id: is_known for record, is_known in known if not record.source},
        stated={record.id: is_known for record, is_known in known if record.source},
        honest=[],
        drift=drift,
    )
