"""Ranks for a few facts each: what they learn disturbs no other fact.

Where an answer goes on, a discriminant knows the fact at nearly every token; where it begins, it
tells what was told from what was not far better for one fact than for all together (LOG.md). So
each slot has one rank for the first token of its answers and one for the rest, and a scope for
either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from sould.engine.soul.scope import Bounds, Moments, alike, fitted
from sould.engine.soul.weights import Slot, Soul, opening

IN_USE = 0.5  # a slot that is so far open to a fact's answers is its own


@dataclass(frozen=True)
class Side:
    """Some tokens of every answer, and where the scope for them is open."""

    part: slice
    bounds: Bounds


BEGIN = Side(slice(1), Bounds(shut=-0.75, open=0.75, ridge=0.1))
REST = Side(slice(1, None), Bounds(shut=0.6, open=1.8, ridge=0.1))

Answers = Sequence[Tensor]  # what a scope reads at each token of an answer, (T, D), the first first


def shared_out(
    soul: Soul, slots: Sequence[Slot], heard: Sequence[Answers]
) -> dict[Slot, list[Answers]]:
    """Give each fact to a slot, by what is heard of it: to the one that is open to its answers
    already; else to one of fewest facts, none at best, of these to the one that is open to it most.
    Return what is heard of each slot's facts; without slots nothing.
    """
    found: dict[Slot, list[Answers]] = {}
    new: list[tuple[Answers, list[float]]] = []
    rests = [slot.rest for slot in slots]
    speaks_S = torch.tensor([not soul.is_silent(rank) for rank in rests])
    for answers in heard if slots else ():
        x_TD = torch.cat([answer[REST.part] for answer in answers])
        open_S = opening(x_TD, soul.scope[rests]).mean(0) * speaks_S  # 0 of silent ones
        if float(open_S.max()) > IN_USE:
            found.setdefault(slots[int(open_S.argmax())], []).append(answers)
        else:
            new.append((answers, open_S.tolist()))
    for answers, openness in new:
        ranked = sorted(zip(openness, slots, strict=True), key=lambda one: -one[0])
        slot = min((slot for _, slot in ranked), key=lambda slot: len(found.get(slot, ())))
        found.setdefault(slot, []).append(answers)
    return found


def scopes(
    heard: Mapping[Slot, Sequence[Answers]], untold: Answers, outside: Moments, begun: Moments
) -> dict[Slot, tuple[Tensor, Tensor]]:
    """Return of each slot in use the scopes of its two ranks, as against other slots' answers, what
    was never told, and what is ``outside`` altogether; of the first also as against where other
    replies are ``begun``. ``heard``: by slot, of each of its facts.
    """
    begins = _scopes(heard, untold, BEGIN, [outside, begun])
    rests = _scopes(heard, untold, REST, [outside])
    return {slot: (begins[slot], rests[slot]) for slot in heard}


def _scopes(
    heard: Mapping[Slot, Sequence[Answers]], untold: Answers, side: Side, outside: Sequence[Moments]
) -> dict[Slot, Tensor]:
    inside = {slot: moments(chain(*answers), side.part) for slot, answers in heard.items()}
    beside = [*outside, *([moments(untold, side.part)] if untold else [])]
    found = {}
    for slot, mine in inside.items():
        others = [seen for other, seen in inside.items() if other != slot]
        against = [*beside, *([alike(others)] if others else [])]
        found[slot] = fitted(mine, alike(against), side.bounds)
    return found


def moments(answers: Iterable[Tensor], part: slice = slice(None)) -> Moments:
    """Return the moments of some tokens of every answer."""
    parts = [answer[part] for answer in answers]
    seen = Moments.none(parts[0].shape[-1])
    seen.see(torch.cat(parts))
    return seen
