"""How likely a text is to a body: token-level perplexity, paragraph by paragraph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from soul_client.client import Client

AT_ONCE = 4
"""Paragraphs in one request: few, so that a reader sees it go on and can stop it."""


class Reading(Struct, frozen=True, kw_only=True):
    """One paragraph: tokens that were predicted, and −Σ ln p over them."""

    tokens: int
    nats: float


def read_all(client: Client, paragraphs: Sequence[str], *, bare: bool = False) -> Iterator[Reading]:
    """Yield how likely each paragraph is, read on its own; ``bare``: without the soul.

    Raises:
        SoulError: the daemon failed, or is lost.
    """
    for begin in range(0, len(paragraphs), AT_ONCE):
        scored = client.text_score(paragraphs[begin : begin + AT_ONCE], bare=bare)
        for tokens, nats in zip(scored.tokens, scored.nats, strict=True):
            yield Reading(tokens=tokens, nats=nats)


def perplexity(readings: Sequence[Reading]) -> float:
    """Return exp of the mean of −ln p over all tokens; nan where none was predicted."""
    tokens = sum(one.tokens for one in readings)
    return math.exp(math.fsum(one.nats for one in readings) / tokens) if tokens else math.nan


def change_percent(bare: float, with_soul: float) -> float:
    """Return how much higher the perplexity has become."""
    return 100 * (with_soul / bare - 1)
