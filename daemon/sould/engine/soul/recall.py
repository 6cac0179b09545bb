"""How well a soul knows facts: what it says, asked for each in an empty context."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial

from sould.bridge import Mark, Probe
from sould.engine.decoder import Decoder
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.curriculum import Curriculum
from sould.engine.soul.dreams import Fact
from sould.engine.soul.products import in_parts
from sould.engine.soul.scoring import ROWS, Scorer
from sould.engine.soul.topics import Topic
from sould.engine.soul.weights import Soul


def probes_of(topics: Sequence[Topic], facts: Sequence[Fact]) -> list[Probe]:
    """Return of each fact, all of one language, a question that asks for it and for no other,
    and what is said by whoever knows it.
    """
    curriculum = Curriculum(topics, facts, seed=0)
    dreams = [curriculum.held_out(fact) for fact in facts]
    return [
        Probe(id=fact.id, question=dream.question, answer=dream.answer)
        for fact, dream in zip(facts, dreams, strict=True)
    ]


def marks(
    decoder: Decoder,
    form: ChatForm,
    soul: Soul | None,
    probes: Sequence[Probe],
    *,
    should_yield: Callable[[], bool],
) -> Generator[None, None, list[Mark]]:
    """Return the mark of each probe, of a soul or the bare body; yields after each small piece."""
    scorer = Scorer(decoder, soul, should_yield=should_yield)
    lines = [form.line(probe.question, probe.answer) for probe in probes]
    says = yield from in_parts(partial(scorer.says, form.prefix), lines, ROWS)
    nats = yield from scorer.log_p_in_steps(form.prefix, lines)
    return [
        Mark(says=is_said, log_p=log_p / len(line.answer))
        for line, is_said, log_p in zip(lines, says, nats, strict=True)
    ]
