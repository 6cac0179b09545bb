"""The learning rate of a step: a warm-up, then half a cosine. Pure."""

from __future__ import annotations

import math

WARM_UP = 0.05  # of all steps
LAST_SHARE = 0.1  # of the highest rate, at the end


def rate_at(step: int, total: int, highest: float) -> float:
    """Return the rate of a step, counted from 0, of ``total``."""
    warm_up = max(1, round(WARM_UP * total))
    if step < warm_up:
        return highest * (step + 1) / warm_up
    share = (step - warm_up) / max(1, total - warm_up)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return highest * (LAST_SHARE + (1 - LAST_SHARE) * cosine)
