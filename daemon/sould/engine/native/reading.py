"""Texts read from the first token on: what a soul makes of them, and what is left of them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor

from sould.engine.native.decoder import STEP_TOKENS, NativeDecoder
from sould.engine.native.soul import StateSoul, detached

T = TypeVar("T")
Nats = Generator[None, None, Tensor]


def nats_of(decoder: NativeDecoder, soul: StateSoul | None, ids: Sequence[int]) -> Nats:
    """Return -ln p of all tokens but the first, (T - 1,), with ``soul`` or as the bare body.

    Raises:
        Diverged: a state would.
    """
    parts = []
    with decoder.wearing(soul):
        carries = decoder.begin()
    for start in range(0, len(ids) - 1, STEP_TOKENS):
        piece = list(ids[start : min(start + STEP_TOKENS, len(ids) - 1)])
        x_TD, carries = decoder.read(piece, carries)
        wanted = torch.tensor(ids[start + 1 : start + 1 + len(piece)])
        logits_TV = decoder.model.logits(x_TD)
        picked = logits_TV.gather(-1, wanted[:, None])[:, 0]
        parts.append(logits_TV.logsumexp(-1) - picked)
        yield
    return torch.cat(parts) if parts else torch.zeros(0)


def likeliest(
    decoder: NativeDecoder, soul: StateSoul | None, ids: Sequence[int], start: int
) -> Generator[None, None, bool]:
    """Tell whether every token from ``start`` on is the one that would have been said."""
    with decoder.wearing(soul):
        carries = decoder.begin()
    x_TD, _ = decoder.read(list(ids[:-1]), carries)
    yield
    said = decoder.model.logits(x_TD[start - 1 :]).argmax(-1).tolist()
    return bool(said == list(ids[start:]))


def states_after(
    decoder: NativeDecoder, soul: StateSoul, ids: Sequence[int], *, boost: float = 1.0
) -> Generator[None, None, list[Tensor]]:
    """Return the states once ``ids`` were read, at ``boost`` times the rate; changes nothing.

    Raises:
        Diverged: a state would.
    """
    with decoder.wearing(soul):
        carries = decoder.begin()
    for start in range(0, len(ids), STEP_TOKENS):
        _, carries = decoder.read(list(ids[start : start + STEP_TOKENS]), carries, boost=boost)
        yield
    return detached([carry.now_BHEE[0] for carry in carries])


def ended(steps: Generator[None, None, T]) -> T:
    """Do all of it at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(T, end.value)
