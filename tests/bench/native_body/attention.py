"""Native bodies whose TTT layers are softmax attention: the controls of equal size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sould.engine.bodies.ttt_shapes import CONV_TAPS
from sould.engine.native.carry import Carry
from sould.engine.native.layers import Form
from sould.engine.native.model import NativeModel
from sould.engine.native.ternary import BitLinear
from sould.engine.spec import BodySpec

ROTARY_BASE = 10_000.0


class Attention(nn.Module):
    """Causal attention with rotary positions, in the place of a ``TttLayer``.

    Texts come whole: nothing is carried, and there is no state that could learn. ``has_conv``:
    queries and keys are of what a short convolution sees, as those of ``TttLinear`` are.
    """

    def __init__(self, spec: BodySpec, *, has_conv: bool) -> None:
        super().__init__()
        self.n_heads = spec.n_heads
        d = spec.d_model
        self.query, self.key, self.value, self.answer = (BitLinear(d, d) for _ in range(4))
        self.answer_norm = nn.RMSNorm(d, eps=spec.norm_eps)
        self.conv = nn.Parameter(torch.empty(d, CONV_TAPS)) if has_conv else None

    def first_state(self) -> Tensor:
        return self.answer_norm.weight.new_zeros(0)

    def forward(
        self, x_BTD: Tensor, carry: Carry, form: Form, boost: float
    ) -> tuple[Tensor, Carry]:
        mixed_BTD = x_BTD if self.conv is None else _mixed(x_BTD, self.conv)
        q_BHTE = rotated(self._headed(self.query(mixed_BTD)))
        k_BHTE = rotated(self._headed(self.key(mixed_BTD)))
        v_BHTE = self._headed(self.value(x_BTD))
        seen_BHTE = F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE, is_causal=True)
        out_BTD: Tensor = self.answer(self.answer_norm(seen_BHTE.transpose(1, 2).flatten(2)))
        return out_BTD, carry

    def _headed(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.view(*x_BTD.shape[:-1], self.n_heads, -1).transpose(1, 2)


def rotated(x_BHTE: Tensor) -> Tensor:
    """Turn each pair (e, e + E/2) by an angle that grows with the position (arXiv:2104.09864)."""
    size, half = x_BHTE.shape[-2], x_BHTE.shape[-1] // 2
    pace = ROTARY_BASE ** -(torch.arange(half, device=x_BHTE.device) / half)
    angle = torch.arange(size, device=x_BHTE.device)[:, None] * pace
    cos, sin = angle.cos().to(x_BHTE.dtype), angle.sin().to(x_BHTE.dtype)
    a, b = x_BHTE[..., :half], x_BHTE[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _mixed(x_BTD: Tensor, conv_DJ: Tensor) -> Tensor:
    long_BLD, size = F.pad(x_BTD, (0, 0, CONV_TAPS - 1, 0)), x_BTD.shape[1]
    taps = [long_BLD[:, j : j + size] * conv_DJ[:, j] for j in range(CONV_TAPS)]
    return torch.stack(taps).sum(0)


def attention_body(spec: BodySpec, seed: int, *, has_conv: bool) -> NativeModel:
    """Return a control of a native body of ``spec``, drawn as that is.

    What its layers lack in parameters, for they have no states, its MLPs have more.
    """
    extra = count(NativeModel(spec)) - count(_with_attention(spec, has_conv))
    wider = round(extra / (3 * spec.d_model * spec.n_layers))
    model = _with_attention(replace(spec, d_ff=spec.d_ff + wider), has_conv).draw(seed)
    for name, parameter in model.named_parameters():
        if name.endswith(".conv"):  # it begins as if it were not there, as in TttLinear
            parameter.data.zero_()[:, -1] = 1.0
    return model


def count(model: nn.Module) -> int:
    """Return how many parameters a model has that is not frozen."""
    return sum(p.numel() for p in model.parameters())


def _with_attention(spec: BodySpec, has_conv: bool) -> NativeModel:
    model = NativeModel(spec)
    for block in model.blocks():
        block.ttt = Attention(spec, has_conv=has_conv)  # type: ignore[assignment]
    return model


class AttentionRunner:
    """What ``measure`` needs of a runner. A cache is the tokens so far: all are read again."""

    def __init__(self, model: NativeModel) -> None:
        self.model = model

    def new_cache(self, limit: int) -> list[int]:
        return []

    @torch.no_grad()
    def forward(
        self, ids: Sequence[int], cache: list[int], *, want: Literal["all"] = "all"
    ) -> Tensor:
        """Return f32 logits (T, V) of ``ids`` after those in ``cache``."""
        cache.extend(ids)
        x_BTD, _ = self.model(torch.tensor([cache]), self.model.begin())
        return self.model.logits(x_BTD[0, -len(ids) :])
