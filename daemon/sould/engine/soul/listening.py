"""Finding to what the ranks of a soul are open, of all that is asked and written."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.soul import slots as slots_of
from sould.engine.soul.batch import Row, scope_inputs
from sould.engine.soul.chatform import ChatForm, Line
from sould.engine.soul.computed import Below
from sould.engine.soul.curriculum import Curriculum
from sould.engine.soul.curvature import Curvature
from sould.engine.soul.dreams import Dream, Fact
from sould.engine.soul.forward import Worn
from sould.engine.soul.products import Products, in_parts
from sould.engine.soul.scope import Moments, alike, fitted
from sould.engine.soul.slots import Heard
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import Slot, Soul

MOST_DREAMS = 1440  # that scopes are found from
UNTOLD = 144
BATCH = 12


class Listener:
    """Sets the scopes of one part of a soul; its methods yield after every small piece of work.

    ``of_each``: dreams of each fact, as long as there are not more than ``MOST_DREAMS`` of all.
    ``below``: of the bare body, up to the layer that scopes read.
    """

    def __init__(
        self,
        decoder: Decoder,
        soul: Soul,
        form: ChatForm,
        curvature: Curvature,
        below: Below,
        *,
        part: str,
        of_each: int,
        should_yield: Callable[[], bool],
        by: random.Random,
    ) -> None:
        self._decoder = decoder
        self._soul = soul
        self._form = form
        self._outside = curvature.outside
        self._below = below
        self._part = part
        self._of_each = of_each
        self._should_yield = should_yield
        self._random = by
        self._inside = Moments.none(soul.spec.d_model)
        self._heard: set[str] = set()

    def listen(self, curriculum: Curriculum) -> Generator[None, None, None]:
        """Find the scope of the part: questions about facts and their answers, as against all that
        anybody asks and writes.
        """
        new = [fact for fact in curriculum.facts if fact.id not in self._heard]
        for dream in chain(*(yield from self._hear_of(curriculum, self._some(new)))):
            self._inside.see(dream.answer_TD)
        self._heard |= {fact.id for fact in new}
        self._set([(self._soul.rows(self._part), fitted(self._inside, self._outside["all"]))])
        yield

    def listen_asleep(
        self, curriculum: Curriculum, spoken: Sequence[Line], *, is_all: bool
    ) -> Generator[None, None, None]:
        """Find the scopes of the slow part: of its first ranks all that is asked of the user, told
        or not; of its slots the facts that each is for; of its last, if anything was ``spoken``,
        the user's own words, as against what anybody asks or writes.

        ``is_all``: as in ``Curriculum``. If not, slots that are for other facts stay as they are.
        What documents say has no slots, there may be far too much of it.
        """
        soul, outside = self._soul, self._outside
        facts = self._some(curriculum.facts)
        heard = yield from self._hear_of(curriculum, facts)
        untold = yield from self._hear(curriculum.untold.some(UNTOLD))
        kinds = [dreams for dreams in ([*chain(*heard)], untold) if dreams]
        parts = (slice(None), slots_of.BEGIN.part)
        inside = alike([slots_of.answered(some, part) for some in kinds for part in parts])
        others = alike([outside["all"], outside["begun"], slots_of.asked(chain(*kinds))])
        scopes = [(soul.wide, fitted(inside, others))]
        yield
        slots = soul.slots if is_all else [s for s in soul.slots if soul.is_silent(s.rest)]
        own = [dreams for fact, dreams in zip(facts, heard, strict=True) if not fact.source]
        by_slot = slots_of.shared_out(soul, slots, own)
        found = yield from slots_of.scopes(by_slot, untold, outside["all"], outside["begun"])
        for slot, sides in found.items():
            ranks = (slot.begin, slot.rest)
            scopes += [(slice(r, r + 1), side) for r, side in zip(ranks, sides, strict=True)]
        is_known = is_all and len(facts) == len(curriculum.facts)
        left = [slot for slot in slots if slot not in by_slot]
        free = [slot for slot in left if is_known or soul.is_silent(slot.rest)]
        if spoken:
            said = spoken[:MOST_DREAMS]
            words = yield from self._read(said)
            words += yield from self._read([line.as_prose() for line in said], is_chat=False)
            others = alike([outside["asked"], outside["prose"]])
            scopes.append((soul.voice, fitted(slots_of.moments(words), others)))
        self._shut(free)
        self._set(scopes)
        yield

    def _shut(self, slots: Sequence[Slot]) -> None:
        """Silence slots that are for nothing, those among them whose facts are gone, until there is
        something for them.
        """
        soul, ranks = self._soul, [rank for slot in slots for rank in (slot.begin, slot.rest)]

        def update() -> None:
            soul.scope[ranks] = 0
            for b in soul.b.values():
                b[:, ranks] = 0

        fault = soul.change(update)
        assert fault is None, fault

    def _set(self, scopes: Sequence[tuple[slice, Tensor]]) -> None:
        scope = self._soul.scope
        fault = self._soul.change(lambda: [scope[rows].copy_(side) for rows, side in scopes])
        assert fault is None, fault

    def _some(self, facts: Sequence[Fact]) -> list[Fact]:
        """Return facts, not more than there may be dreams."""
        return self._random.sample(facts, min(len(facts), MOST_DREAMS))

    def _hear_of(
        self, curriculum: Curriculum, facts: Sequence[Fact]
    ) -> Generator[None, None, list[list[Heard]]]:
        """Return of each fact what the scope reads of some dreams."""
        of_each = min(self._of_each, MOST_DREAMS // max(1, len(facts)))
        heard = yield from self._hear([d for f in facts for d in curriculum.dreams(f, of_each)])
        return [heard[n : n + of_each] for n in range(0, len(heard), of_each)]

    def _hear(self, dreams: Sequence[Dream]) -> Generator[None, None, list[Heard]]:
        lines = [self._form.line(dream.question, dream.answer) for dream in dreams]
        read = yield from self._read([Line.whole(line.ids) for line in lines])
        cuts = [line.positions[0] - 1 for line in lines]
        return [Heard(x_TD[:cut], x_TD[cut:]) for x_TD, cut in zip(read, cuts, strict=True)]

    def _read(
        self, lines: Sequence[Line], is_chat: bool = True
    ) -> Generator[None, None, list[Tensor]]:
        """Return what the scope reads where the positions of each line are predicted, (P, D)."""
        return (yield from in_parts(partial(self._inputs, is_chat), lines, BATCH))

    def _inputs(self, is_chat: bool, lines: Sequence[Line]) -> Sequence[Tensor]:
        products, bare = Products(self._decoder, self._should_yield), Worn(self._soul.spec, None)
        prefix = self._form.prefix if is_chat else ()
        rows = [
            Row(ids=one.ids, positions=one.positions, target=Target.tokens(one.answer))
            for one in lines
        ]
        x_PD = scope_inputs(self._decoder, bare, products, prefix, rows, self._below)
        return torch.split(x_PD, [len(line.positions) for line in lines])
