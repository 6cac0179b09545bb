"""Ternary weights, as BitNet b1.58 makes them (arXiv:2402.17764, section 2): by their absmean.

Activations stay in floating point: rounded to int8 they would differ, by a whole step here and
there, between the chunked and the sequential form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAST_SCALE = 1e-5


def ternary(weight: Tensor, *, is_scaled: bool = True) -> Tensor:
    """Return ``weight`` over its mean magnitude, rounded to -1, 0 or 1; times that again if scaled.

    Halves are rounded away from zero, as the original engine does. Differentiable: the rounding
    counts as if it were not there (straight-through).
    """
    scale = weight.detach().abs().mean().clamp(min=LEAST_SCALE)
    unit = weight / scale
    with torch.no_grad():
        rounded = (unit.abs() + 0.5).floor().clamp(max=1.0) * unit.sign()
    straight = unit + (rounded - unit).detach()
    return straight * scale if is_scaled else straight


class BitLinear(nn.Module):
    """A linear map with ternary weights and no bias. ``weight``: what they are made of, (out, in).

    The original engine does not multiply their scale back: ``is_scaled`` False.
    """

    def __init__(self, n_in: int, n_out: int, *, is_scaled: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.is_scaled = is_scaled
        self._frozen: Tensor | None = None

    def freeze(self) -> None:
        """Make the weights ternary once and for all; for use without gradients."""
        with torch.no_grad():
            self._frozen = ternary(self.weight, is_scaled=self.is_scaled)
        self.weight = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        if self._frozen is not None:
            return F.linear(x, self._frozen)
        return F.linear(x, ternary(self.weight, is_scaled=self.is_scaled))
