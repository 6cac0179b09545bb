"""Products with frozen, packed matrices, forward and back, that can be given up at any time.

Nothing dense is kept between forward and backward: with a kernel a matrix is unpacked in small
panels on the way through, without one strip by strip.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sould.engine import ternary
from sould.engine.decoder import Decoder, activated
from sould.engine.soul.gating import activation_and_slope, norm, norm_back
from sould.engine.soul.weights import MatrixName
from sould.engine.triton_kernel.layout import GpuWeight
from sould.engine.weights import SCRATCH_WEIGHTS, LayerWeights, Weight

T = TypeVar("T")
R = TypeVar("R")

Observe = Callable[[LayerWeights, MatrixName, Tensor, Tensor], None]

MOMENT = 10**9  # multiplications at most between two looks at whether to yield: some 10 ms


class Interrupted(Exception):
    """Somebody else needs the machine. The work was given up and nothing has changed."""


def patiently(work: Callable[[], T]) -> Generator[None, None, T]:
    """Do ``work``, from its beginning again whenever it is interrupted; yield in between."""
    while True:
        try:
            return work()
        except Interrupted:
            yield


def in_parts(
    work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], most: int
) -> Generator[None, None, list[R]]:
    """Do ``work``, of which each item's result is its own, on up to ``most`` items at a time: on
    half as many when it was interrupted, or who asks often would let none be done. It yields in
    between.
    """
    found: list[R] = []
    size = most
    while len(found) < len(items):
        try:
            found += work(items[len(found) : len(found) + size])
            size = min(most, size + 1)
        except Interrupted:
            size = max(1, size // 2)
        yield
    return found


class Products:
    """The matrix products of one micro-batch. Before each, and within large ones,
    ``should_yield`` is asked. ``observe`` is told on the way back what went into each learning
    matrix, and the slope at what came out.

    All tensors are f32, 2-dimensional; ``weight`` is (O, I). What goes into a ternary one is
    rounded to int8 on the way forward, and on the way back it is as if it were not.
    """

    def __init__(
        self,
        decoder: Decoder,
        should_yield: Callable[[], bool],
        observe: Observe = lambda layer, name, x_TI, g_TO: None,
    ) -> None:
        self._should_yield = should_yield
        self.observe = observe
        self.spec = decoder.spec
        self._native, self._gpu = decoder.native, decoder.gpu
        self._gemm = None if decoder.native is None else decoder.native.gemm

    def check(self) -> None:
        """Raise where the work should stop.

        Raises:
            Interrupted: ``should_yield`` said so.
        """
        if self._should_yield():
            raise Interrupted

    def forward(self, x_TI: Tensor, weight: Weight, bias_O: Tensor | None = None) -> Tensor:
        """Return ``x · weightᵀ + bias``."""
        y_TO = x_TI.new_empty(len(x_TI), weight.rows)
        for rows, strip in _strips(weight, len(x_TI)):
            self.check()
            if strip.format == "ternary":
                y_TO[:, rows] = self._ternary(x_TI, strip)
            elif self._gemm is None:
                torch.mm(x_TI, strip.dense().T, out=y_TO[:, rows])
            else:
                self._gemm(x_TI, strip, out=y_TO[:, rows])
        return y_TO if bias_O is None else y_TO.add_(bias_O)

    def back(self, y_TO: Tensor, weight: Weight) -> Tensor:
        """Return ``y · weight``."""
        x_TI = y_TO.new_zeros(len(y_TO), weight.cols)
        for rows, strip in _strips(weight, len(y_TO)):
            self.check()
            if self._gemm is None:
                x_TI.addmm_(y_TO[:, rows], strip.dense())
            else:
                self._gemm(y_TO[:, rows], strip, back=True, out=x_TI, add=True)
        return x_TI

    def _ternary(self, x_TI: Tensor, weight: Weight) -> Tensor:
        if self._gpu is not None and isinstance(weight, GpuWeight):
            return self._gpu.product(x_TI, weight)
        if self._native is not None:
            return self._native.matvec(weight, x_TI)
        return ternary.product(x_TI, weight.data, weight.cols)

    def times(self, x_TI: Tensor, m_IO: Tensor, onto: Tensor | None = None) -> Tensor:
        """Return ``x · m`` of two f32 tensors; with ``onto``, added to it in place."""
        if self._gemm is not None and m_IO.is_contiguous():
            return self._gemm(x_TI, _weight(m_IO), back=True, out=onto, add=onto is not None)
        if self._gemm is not None and m_IO.T.is_contiguous():
            return self._gemm(x_TI, _weight(m_IO.T), out=onto, add=onto is not None)
        return x_TI @ m_IO if onto is None else onto.addmm_(x_TI, m_IO)


def frozen_linear(
    x_TI: Tensor, weight: Weight, bias_O: Tensor | None, products: Products
) -> Tensor:
    """Return ``x · weightᵀ + bias``, with a gradient for x alone."""
    return cast(Tensor, _FrozenLinear.apply(x_TI, weight, bias_O, products))  # type: ignore[no-untyped-call]


def learning_mlp(
    x_TD: Tensor,
    sides: Sequence[Tensor],
    opening_TR: Tensor | None,
    layer: LayerWeights,
    products: Products,
) -> Tensor:
    """Return the gated MLP with a soul's share, with gradients for x and the soul.

    ``sides``: A_RI and B_RO of gate, up and down. ``opening_TR``: has no gradient; None is open.
    Kept are x, gate and up; what follows from them is computed again on the way back. The soul's
    share is of what is not rounded.
    """
    return cast(Tensor, _LearningMlp.apply(x_TD, *sides, opening_TR, layer, products))  # type: ignore[no-untyped-call]


class _FrozenLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_TI: Tensor, weight: Weight, bias_O: Tensor | None, products: Products
    ) -> Tensor:
        ctx.weight, ctx.products = weight, products
        return products.forward(x_TI, weight, bias_O)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.products.back(grads[0], ctx.weight), None, None, None


class _LearningMlp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x_TD: Tensor,
        a_gate: Tensor,
        b_gate: Tensor,
        a_up: Tensor,
        b_up: Tensor,
        a_down: Tensor,
        b_down: Tensor,
        opening_TR: Tensor | None,
        layer: LayerWeights,
        products: Products,
    ) -> Tensor:
        gate_TF = products.forward(x_TD, layer.gate, layer.gate_bias)
        _add_low_rank(products, x_TD, a_gate, b_gate, opening_TR, onto=gate_TF)
        up_TF = products.forward(x_TD, layer.up, layer.up_bias)
        _add_low_rank(products, x_TD, a_up, b_up, opening_TR, onto=up_TF)
        inner_TF = activated(gate_TF, products.spec.activation).mul_(up_TF)
        inner_TF = norm(inner_TF, layer.mlp_sub_norm, products.spec.norm_eps)
        y_TD = products.forward(inner_TF, layer.down, layer.down_bias)
        _add_low_rank(products, inner_TF, a_down, b_down, opening_TR, onto=y_TD)
        ctx.layer, ctx.products, ctx.opening_TR = layer, products, opening_TR
        ctx.save_for_backward(x_TD, gate_TF, up_TF, a_gate, b_gate, a_up, b_up, a_down, b_down)
        return y_TD

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x_TD, gate_TF, up_TF, a_gate, b_gate, a_up, b_up, a_down, b_down = ctx.saved_tensors
        products, layer, y_TD = ctx.products, ctx.layer, grads[0].contiguous()
        opening = ctx.opening_TR
        act_TF, slope_TF = activation_and_slope(gate_TF, products.spec.activation)
        g_inner_TF = products.back(y_TD, layer.down)
        inner_TF, eps = act_TF * up_TF, products.spec.norm_eps
        x_down_TF = norm(inner_TF, layer.mlp_sub_norm, eps)
        products.observe(layer, "down", x_down_TF, y_TD)
        down = _low_rank_back(products, x_down_TF, a_down, b_down, opening, y_TD, g_inner_TF)
        g_inner_TF = norm_back(g_inner_TF, inner_TF, layer.mlp_sub_norm, eps)
        g_gate_TF = slope_TF.mul_(up_TF).mul_(g_inner_TF)
        g_up_TF = act_TF.mul_(g_inner_TF)
        products.observe(layer, "gate", x_TD, g_gate_TF)
        products.observe(layer, "up", x_TD, g_up_TF)
        g_x_TD = products.back(g_gate_TF, layer.gate) if ctx.needs_input_grad[0] else None
        if g_x_TD is not None:
            g_x_TD += products.back(g_up_TF, layer.up)
        gate = _low_rank_back(products, x_TD, a_gate, b_gate, opening, g_gate_TF, g_x_TD)
        up = _low_rank_back(products, x_TD, a_up, b_up, opening, g_up_TF, g_x_TD)
        return g_x_TD, *gate, *up, *down, None, None, None


def _add_low_rank(
    products: Products,
    x_TI: Tensor,
    a_RI: Tensor,
    b_RO: Tensor,
    opening_TR: Tensor | None,
    *,
    onto: Tensor,
) -> None:
    """Add ``(opening ⊙ x Aᵀ) B``."""
    inner_TR = products.times(x_TI, a_RI.T)
    if opening_TR is not None:
        inner_TR *= opening_TR
    products.times(inner_TR, b_RO, onto=onto)


def _low_rank_back(
    products: Products,
    x_TI: Tensor,
    a_RI: Tensor,
    b_RO: Tensor,
    opening_TR: Tensor | None,
    y_TO: Tensor,
    onto: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return the gradients of A and B from that of what was added; add that of x to ``onto``."""
    times = products.times
    inner_TR, g_inner_TR = times(x_TI, a_RI.T), times(y_TO, b_RO.T)
    if opening_TR is not None:
        inner_TR, g_inner_TR = inner_TR * opening_TR, g_inner_TR * opening_TR
    if onto is not None:
        times(g_inner_TR, a_RI, onto=onto)
    return times(g_inner_TR.T, x_TI), times(inner_TR.T, y_TO)


def _strips(weight: Weight, tokens: int) -> Iterator[tuple[slice, Weight]]:
    """Yield rows after rows, few enough to be made dense and to be multiplied in a moment."""
    most = min(SCRATCH_WEIGHTS, MOMENT // max(tokens, 1)) // weight.cols
    step = max(32, most // 32 * 32)  # whole panels of the kernel
    for start in range(0, weight.rows, step):
        rows = slice(start, min(start + step, weight.rows))
        yield rows, weight.part(rows)


def _weight(m: Tensor) -> Weight:
    return Weight("f32", m, *m.shape)
