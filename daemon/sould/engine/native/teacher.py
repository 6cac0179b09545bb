"""Teaches the souls of a native body: a record is learned by being read, a night reads again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from soul_client.wire import ChatMessage
from soul_client.wire import Progress as Stage
from sould.bridge import Imprint, Mark, Probe, Sleep, Told
from sould.engine.native.decoder import NativeDecoder
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


class NativeTeacher:
    """Has the same members as ``soul.teacher.Teacher``. The rate of learning is the body's own.

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

    def prepare(self) -> None:
        """Nothing is needed before the first lesson."""

    def tells(self, record: Told) -> bool:
        """Whether there is anything to read in a record."""
        return bool(record.text.strip())

    def tokens(self, record: Told) -> int:
        """Return what learning a record adds to the level."""
        return len(self._tokenizer.encode(record.text))

    def lesson(self, soul: AnySoul, order: Imprint, inner_lr: float) -> Steps:
        """Let ``soul`` read a record, as it is read in a conversation."""
        assert isinstance(soul, StateSoul)
        progress, started_s = Progress(), time.perf_counter()
        states = yield from self._counted(
            states_after(self._decoder, soul, self._ids(order.record)), progress
        )
        progress.fault = soul.change(states)
        progress.seconds = time.perf_counter() - started_s
        log.info("read record=%s steps=%d", order.record.id, progress.steps)
        return progress

    def night(
        self, soul: AnySoul, order: Sleep, inner_lr: float, is_woken: Callable[[], bool]
    ) -> Dreaming:
        """Read records again at a boosted rate, on a soul of its own; ``soul`` is not changed."""
        assert isinstance(soul, StateSoul)
        started_s = time.perf_counter()
        records = [record for record in order.records if self.tells(record)]
        yield Stage(stage="examining")
        bare = yield from self._nats(None, records)
        before = yield from self._examine(soul, records, bare)
        dreamer, progress = soul.copy(), Progress()
        total, order_of = MOST_PASSES * len(records), random.Random(order.seed)
        for _ in range(MOST_PASSES):
            for record in order_of.sample(records, len(records)):
                if is_woken() or progress.fault is not None:
                    break
                yield Stage(stage="dreaming", done=progress.steps, total=total)
                states = yield from states_after(
                    self._decoder, dreamer, self._ids(record), boost=NIGHT_BOOST
                )
                progress.fault = dreamer.change(states)
                progress.steps += 1
        yield Stage(stage="examining")
        after = yield from self._examine(dreamer, records, bare)
        why = GATE.fault(before, after)
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
        )

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

    def _nats(
        self, soul: StateSoul | None, records: Sequence[Told]
    ) -> Generator[None, None, list[float]]:
        found = []
        for record in records:
            nats = yield from nats_of(self._decoder, soul, self._tokenizer.encode(record.text))
            found.append(float(nats.mean()) if len(nats) else 0.0)
        return found

    def _examine(
        self, soul: StateSoul, records: Sequence[Told], bare: Sequence[float]
    ) -> Generator[Stage | None, None, Marks]:
        mine = yield from self._nats(soul, records)
        knows = [a <= KNOWN_SHARE * b for a, b in zip(mine, bare, strict=True)]
        known = list(zip(records, knows, strict=True))
        drifts = []
        for ids in self._plain:
            worn = yield from nats_of(self._decoder, soul, ids)
            plain = yield from nats_of(self._decoder, None, ids)
            drifts.append(float((worn - plain).mean()) if len(worn) else 0.0)
        return Marks(
            recalled={record.id: is_known for record, is_known in known if not record.source},
            stated={record.id: is_known for record, is_known in known if record.source},
            honest=[],
            drift=max(0.0, sum(drifts) / max(1, len(drifts))),
        )
