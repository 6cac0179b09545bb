"""Ranks for a few facts each: what they learn disturbs no other fact.

Where an answer goes on, a discriminant knows the fact at nearly every token; where it begins, it
tells what was told from what was not far better for one fact than for all together (LOG.md). So
each slot has one rank for the first token of its answers and one for the rest, and a scope for
either.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from sould.engine.soul.scope import Bounds, Moments, alike, fitted, sum_of
from sould.engine.soul.weights import Slot, Soul, opening

IN_USE = 0.5  # a slot that is so far open to a fact's answers is its own


@dataclass(frozen=True)
class Side:
    """Some tokens of every answer, and where the scope for them is open."""

    part: slice
    bounds: Bounds


BEGIN = Side(slice(1), Bounds(shut=-0.75, open=0.75, ridge=0.1))
REST = Side(slice(1, None), Bounds(shut=0.6, open=1.8, ridge=0.1))


@dataclass(frozen=True)
class Heard:
    """What a scope reads of a dream: at each token up to where its answer begins, and of that."""

    asked_TD: Tensor
    answer_TD: Tensor


Dreamt = Sequence[Heard]  # of one fact


def shared_out(
    soul: Soul, slots: Sequence[Slot], heard: Sequence[Dreamt]
) -> dict[Slot, list[Dreamt]]:
    """Give each fact to a slot, by what is heard of it: to the one that is open to its answers
    already; else to one of fewest facts, none at best, of these to the one that is open to it most.
    Return what is heard of each slot's facts; without slots nothing.
    """
    found: dict[Slot, list[Dreamt]] = {}
    new: list[tuple[Dreamt, list[float]]] = []
    rests = [slot.rest for slot in slots]
    speaks_S = torch.tensor([not soul.is_silent(rank) for rank in rests])
    for dreams in heard if slots else ():
        x_TD = torch.cat([dream.answer_TD[REST.part] for dream in dreams])
        open_S = opening(x_TD, soul.scope[rests]).mean(0) * speaks_S  # 0 of silent ones
        if float(open_S.max()) > IN_USE:
            found.setdefault(slots[int(open_S.argmax())], []).append(dreams)
        else:
            new.append((dreams, open_S.tolist()))
    for dreams, openness in new:
        ranked = sorted(zip(openness, slots, strict=True), key=lambda one: -one[0])
        slot = min((slot for _, slot in ranked), key=lambda slot: len(found.get(slot, ())))
        found.setdefault(slot, []).append(dreams)
    return found


def scopes(
    heard: Mapping[Slot, Sequence[Dreamt]], untold: Dreamt, outside: Moments, begun: Moments
) -> Generator[None, None, dict[Slot, tuple[Tensor, Tensor]]]:
    """Return of each slot in use the scopes of its two ranks, as against other slots' answers, what
    was never told, the questions that its own facts answer, and what is ``outside`` altogether; of
    the first also as against where other replies are ``begun``. ``heard``: by slot, of each fact.
    Yields after each.
    """
    begins = yield from _scopes(heard, untold, BEGIN, [outside, begun])
    rests = yield from _scopes(heard, untold, REST, [outside])
    return {slot: (begins[slot], rests[slot]) for slot in heard}


def _scopes(
    heard: Mapping[Slot, Sequence[Dreamt]], untold: Dreamt, side: Side, outside: Sequence[Moments]
) -> Generator[None, None, dict[Slot, Tensor]]:
    if not heard:
        return {}
    inside = {}
    for slot, dreams in heard.items():
        inside[slot] = alike([answered(chain(*dreams), side.part)])
        yield
    beside = [*outside, *([answered(untold, side.part)] if untold else [])]
    together = sum_of(inside.values())
    found = {}
    for slot, mine in inside.items():
        others = together.without(mine)
        against = [*beside, asked(chain(*heard[slot])), *([others] if others.count else [])]
        found[slot] = fitted(mine, alike(against), side.bounds)
        yield
    return found


def answered(dreams: Iterable[Heard], part: slice = slice(None)) -> Moments:
    """Return the moments of some tokens of every answer."""
    return moments([dream.answer_TD[part] for dream in dreams])


def asked(dreams: Iterable[Heard]) -> Moments:
    """Return the moments of what comes before the answers."""
    return moments([dream.asked_TD for dream in dreams])


def moments(tokens: Sequence[Tensor]) -> Moments:
    """Return the moments of what a scope reads at some tokens, of each (T, D)."""
    seen = Moments.none(tokens[0].shape[-1])
    seen.see(torch.cat([*tokens]))
    return seen
