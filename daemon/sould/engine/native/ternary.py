"""Ternary weights, as BitNet b1.58 makes them (arXiv:2402.17764, section 2): by their absmean.

Activations stay in floating point: rounded to int8 they would differ, by a whole step here and
there, between the chunked and the sequential form.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sould.engine import bases
from sould.engine.decoder import Kernel
from sould.engine.formats.bases import scales_shape
from sould.engine.weights import Weight

LEAST_SCALE = 1e-5
MATVEC_TOKENS = 8  # for more, a product of matrices is quicker

Product = Callable[[Tensor], Tensor]
Hold = Callable[[Tensor, float], Product]
"""Makes of -1, 0 and 1, (out, in), and what a 1 is worth, their product with (…, in)."""


def dense(signs_RC: Tensor, worth: float) -> Product:
    """Hold weights in f32."""
    return partial(F.linear, weight=signs_RC * worth)


def packed(kernel: Kernel | None) -> Hold:
    """Return what holds weights in 2 bits each; without a kernel every product unpacks them."""

    def hold(signs_RC: Tensor, worth: float) -> Product:
        rows, cols = signs_RC.shape
        codes_1RC = (signs_RC + 1).to(torch.uint8)[None]
        data = bases.pack(codes_1RC, torch.ones(scales_shape(1, rows, cols)))
        return partial(_product, Weight("bases1", data, rows, cols), worth, kernel)

    return hold


def _product(weight: Weight, worth: float, kernel: Kernel | None, x: Tensor) -> Tensor:
    if kernel is None:
        return F.linear(x, weight.dense()) * worth
    x_TC = x.reshape(-1, weight.cols)
    is_few = len(x_TC) <= MATVEC_TOKENS
    y_TR = kernel.matvec(weight, x_TC) if is_few else kernel.gemm(x_TC, weight)
    return y_TR.mul_(worth).view(*x.shape[:-1], weight.rows)


def ternary(weight: Tensor, *, is_scaled: bool = True) -> Tensor:
    """Return ``weight`` over its mean magnitude, rounded to -1, 0 or 1; times that again if scaled.

    Halves are rounded away from zero, as the original engine does. Differentiable: the rounding
    counts as if it were not there (straight-through).
    """
    scale = _scale(weight)
    unit = weight / scale
    with torch.no_grad():
        rounded = (unit.abs() + 0.5).floor().clamp(max=1.0) * unit.sign()
    straight = unit + (rounded - unit).detach()
    return straight * scale if is_scaled else straight


def _scale(weight: Tensor) -> Tensor:
    return weight.detach().abs().mean().clamp(min=LEAST_SCALE)


class BitLinear(nn.Module):
    """A linear map with ternary weights and no bias. ``weight``: what they are made of, (out, in).

    The original engine does not multiply their scale back: ``is_scaled`` False.
    """

    def __init__(self, n_in: int, n_out: int, *, is_scaled: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        self.is_scaled = is_scaled
        self._frozen: Product | None = None

    @torch.no_grad()
    def freeze(self, hold: Hold = dense) -> None:
        """Make the weights ternary once and for all; for use without gradients."""
        worth = float(_scale(self.weight)) if self.is_scaled else 1.0
        self._frozen = hold(ternary(self.weight, is_scaled=False).round(), worth)
        self.weight = nn.Parameter(torch.empty(0), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        if self._frozen is not None:
            return self._frozen(x)
        return F.linear(x, ternary(self.weight, is_scaled=self.is_scaled))
