"""The scales and norms of a converted body taught to say what the original says.

Each step reads one window of text and goes down the KL divergence of what the converted body
expects of every next token from what the original expects (arXiv:1503.02531). Which weights are
-1, 0 and 1 stays as it was fitted: so a step costs what a step of a soul costs, and what is
computed with is at every moment what would be written, scales of f16.

Legend: N bases, R rows, C columns, G groups of columns, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sould.engine import bases
from sould.engine.decoder import Decoder, Kernel
from sould.engine.formats.bases import GROUP
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, LayerWeights, Weight, count_bases

LR = 2e-3  # of what scales are multiplied by, and of norms, which are near 1
WARM_UP = 0.1  # of the steps
LARGEST_NORM = 1.0  # of the gradients

OnStep = Callable[[int, int, float], None]


def distill(
    teacher: Decoder,
    spec: BodySpec,
    weights: BodyWeights,
    windows: Sequence[Sequence[int]],
    steps: int,
    *,
    on_step: OnStep = lambda done, total, loss: None,
    check: Callable[[], None] = lambda: None,
) -> BodyWeights:
    """Return the weights after ``steps`` steps, each on one of ``windows`` in turn; pure.

    ``on_step`` gets steps done, steps in all, and the loss in nats a token. ``check`` is called
    often, and may raise.
    """
    student = Student(spec, weights, teacher.kernel, check)
    optimiser = torch.optim.Adam(student.parameters(), lr=LR, betas=(0.9, 0.95))
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = LR * _rate(step, steps)
        ids = list(windows[step % len(windows)])
        want_TV = teacher.forward(ids, teacher.new_cache(len(ids)), want="all")
        assert want_TV is not None
        check()
        loss = F.kl_div(
            student.expected(ids),
            want_TV.log_softmax(-1),
            log_target=True,
            reduction="batchmean",
        )
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(student.parameters(), LARGEST_NORM)
        optimiser.step()
        student.settle()
        on_step(step + 1, steps, float(loss.detach()))
    return student.weights()


def _rate(step: int, steps: int) -> float:
    """Return the share of the rate: up in the first steps, then down to nothing."""
    return min((step + 1) / max(1.0, WARM_UP * steps), 1 - step / steps)


class Student(Decoder):
    """A converted body whose scales and norms learn."""

    def __init__(
        self,
        spec: BodySpec,
        weights: BodyWeights,
        kernel: Kernel | None,
        check: Callable[[], None],
    ) -> None:
        own = replace(weights, layers=tuple(map(_copied, weights.layers)))
        super().__init__(spec, own, kernel=kernel)
        self._check = check
        self._sides = {
            id(part): _Scales(part)
            for layer in self.layers
            for part in vars(layer).values()
            if isinstance(part, Weight)
        }
        self.final_norm = self.final_norm.clone().requires_grad_()
        self._norms = [self.final_norm]
        for layer in self.layers:
            self._norms += [layer.attn_norm.requires_grad_(), layer.mlp_norm.requires_grad_()]

    def parameters(self) -> list[Tensor]:
        """Return what learns."""
        return [*(side.factors for side in self._sides.values()), *self._norms]

    def expected(self, ids: Sequence[int]) -> Tensor:
        """Return ln p of every token after each of ``ids``, (T, V), with its gradients."""
        x_TD = self.embed.gather(torch.tensor(ids), self.dtype)
        return self.logits(self.run(x_TD)).log_softmax(-1)

    def settle(self) -> None:
        """Take what was learned into the packed matrices."""
        for side in self._sides.values():
            side.settle()

    def weights(self) -> BodyWeights:
        """Return the weights as they are now."""
        return BodyWeights(
            embed=self.embed,
            layers=tuple(map(_copied, self.layers)),
            final_norm=self.final_norm.detach().clone(),
            head=self.embed if self.spec.tied else self.head,
        )

    def _product(self, x_TI: Tensor, weight: Weight, bias: Tensor | None = None) -> Tensor:
        self._check()
        side = self._sides.get(id(weight))
        factors = side.factors if side else None
        y_TR = cast(
            Tensor,
            _Product.apply(x_TI, factors, weight, side, self.native),  # type: ignore[no-untyped-call]
        )
        return y_TR if bias is None else y_TR + bias


class _Scales:
    """The scales of a packed matrix: those it began with, times ``factors``, (N, R, G)."""

    def __init__(self, weight: Weight) -> None:
        self._weight = weight
        self.n = count_bases(weight.format)
        self.first_NRG = bases.scales(weight.data, self.n).float()
        self.factors = torch.ones_like(self.first_NRG).requires_grad_()

    def settle(self) -> None:
        bases.rescale(self._weight.data, self.first_NRG * self.factors.detach())

    def slopes(self, slopes_RC: Tensor) -> Tensor:
        """Return the gradient of the factors, given that of the dense matrix."""
        rows, cols = slopes_RC.shape
        found = torch.empty_like(self.first_NRG)
        padded_RC = F.pad(slopes_RC, (0, -cols % GROUP)).view(rows, -1, GROUP)
        all_codes = bases.codes(self._weight.data, self.n, cols)
        for k, codes_RC in enumerate(all_codes):
            signs_RC = F.pad(codes_RC.float().sub_(1), (0, -cols % GROUP))
            found[k] = (signs_RC.view(rows, -1, GROUP) * padded_RC).sum(-1)
        return found.mul_(self.first_NRG)


class _Product(torch.autograd.Function):
    """x · weightᵀ, with gradients for x and, where there is a ``side``, for its factors."""

    @staticmethod
    def forward(
        ctx: Any,
        x_TI: Tensor,
        factors: Tensor | None,
        weight: Weight,
        side: _Scales | None,
        native: Kernel | None,
    ) -> Tensor:
        ctx.weight, ctx.side, ctx.native = weight, side, native
        ctx.save_for_backward(x_TI)
        return x_TI @ weight.dense().T if native is None else native.gemm(x_TI, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        y_TO, (x_TI,) = grads[0], ctx.saved_tensors
        if ctx.native is None:
            back_TI = y_TO @ ctx.weight.dense()
        else:
            back_TI = ctx.native.gemm(y_TO, ctx.weight, back=True)
        slopes = None if ctx.side is None else ctx.side.slopes(y_TO.T @ x_TI)
        return back_TI, slopes, None, None, None


def _copied(layer: LayerWeights) -> LayerWeights:
    """Return a layer whose tensors are its own."""
    parts: dict[str, Any] = {}
    for field in fields(layer):
        part = getattr(layer, field.name)
        if isinstance(part, Weight):
            part = replace(part, data=part.data.clone())
        parts[field.name] = part.detach().clone() if isinstance(part, Tensor) else part
    return LayerWeights(**parts)
