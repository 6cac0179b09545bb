"""The layers of a native body. Parameters are named as its files name them."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sould.engine.bodies.ttt_shapes import CONV_TAPS
from sould.engine.native import reconstruct, ttt_linear
from sould.engine.native.carry import Carry
from sould.engine.native.ternary import BitLinear
from sould.engine.native.ttt_linear import InnerNorm, Views
from sould.engine.spec import BodySpec, TttSpec

Form = Literal["chunked", "sequential"]


class TttLayer(Protocol):
    """What stands in the place of attention.

    ``first_state``: (H, E, E), what a text begins with to a body that has learned nothing.
    ``boost`` multiplies the rate of learning; at 0 the state stays as it is.
    """

    def first_state(self) -> Tensor: ...

    def __call__(
        self, x_BTD: Tensor, carry: Carry, form: Form, boost: float
    ) -> tuple[Tensor, Carry]: ...


class Reconstruct(nn.Module):
    """The original engine's layer. The scale of its ternary weights is not multiplied back."""

    def __init__(self, spec: BodySpec, ttt: TttSpec) -> None:
        super().__init__()
        self.inner_lr = ttt.inner_lr
        self.d_state = spec.head_dim
        self.down = BitLinear(spec.d_model, spec.head_dim, is_scaled=False)
        self.up = BitLinear(spec.head_dim, spec.d_model, is_scaled=False)

    def first_state(self) -> Tensor:
        return self.down.weight.new_zeros(1, self.d_state, self.d_state)

    def forward(
        self, x_BTD: Tensor, carry: Carry, form: Form, boost: float
    ) -> tuple[Tensor, Carry]:
        run = reconstruct.chunked if form == "chunked" else reconstruct.sequential
        rate = reconstruct.boosted(self.inner_lr, boost)
        f_BHTE = reconstruct.features(self.down(x_BTD))[:, None]
        z_BHTE, carry = run(f_BHTE, carry, rate)
        out_BTD: Tensor = self.up(z_BHTE[:, 0])
        return out_BTD, carry


class TttLinear(nn.Module):
    """TTT-Linear: queries and keys of what a short convolution sees, values of the token itself."""

    def __init__(self, spec: BodySpec, ttt: TttSpec) -> None:
        super().__init__()
        self.ttt = ttt
        self.n_heads = spec.n_heads
        d, h, e = spec.d_model, spec.n_heads, spec.head_dim
        self.query, self.key, self.value, self.answer = (BitLinear(d, d) for _ in range(4))
        self.answer_norm = nn.RMSNorm(d, eps=spec.norm_eps)
        self.rate = nn.Linear(d, h)
        self.conv = nn.Parameter(torch.empty(d, CONV_TAPS))
        self.inner_scale = nn.Parameter(torch.empty(h, e))
        self.inner_shift = nn.Parameter(torch.empty(h, e))
        self.state = nn.Parameter(torch.empty(h, e, e))

    def first_state(self) -> Tensor:
        return self.state

    def forward(
        self, x_BTD: Tensor, carry: Carry, form: Form, boost: float
    ) -> tuple[Tensor, Carry]:
        mixed_BTD, tail_BCD = self._mixed(x_BTD, carry.tail_BCD)
        rate_BTH = torch.sigmoid(self.rate(x_BTD)) * (boost * self.ttt.inner_lr)
        views = Views(
            q_BHTE=F.normalize(self._headed(self.query(mixed_BTD)), dim=-1),
            k_BHTE=F.normalize(self._headed(self.key(mixed_BTD)), dim=-1),
            v_BHTE=self._headed(self.value(x_BTD)),
            rate_BHT=rate_BTH.transpose(1, 2) / self.state.shape[-1],
        )
        norm = InnerNorm(scale_HE=self.inner_scale, shift_HE=self.inner_shift)
        run = ttt_linear.chunked if form == "chunked" else ttt_linear.sequential
        with torch.autocast(x_BTD.device.type, enabled=False):  # states are never less than f32
            views = views.to(self.state.dtype)
            out_BHTE, after = run(views, norm, carry, self.ttt.mini_batch)
        out_BTD: Tensor = self.answer(self.answer_norm(out_BHTE.transpose(1, 2).flatten(2)))
        carry = Carry(
            now_BHEE=after.now_BHEE,
            base_BHEE=after.base_BHEE,
            phase=after.phase,
            tail_BCD=tail_BCD,
        )
        return out_BTD, carry

    def _mixed(self, x_BTD: Tensor, tail_BCD: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return each token with the three before it mixed in, and the last three."""
        if tail_BCD is None:
            tail_BCD = x_BTD.new_zeros(len(x_BTD), CONV_TAPS - 1, x_BTD.shape[-1])
        long_BLD, size = torch.cat([tail_BCD, x_BTD], 1), x_BTD.shape[1]
        taps = [long_BLD[:, j : j + size] * self.conv[:, j] for j in range(CONV_TAPS)]
        return torch.stack(taps).sum(0), long_BLD[:, size:]

    def _headed(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.view(*x_BTD.shape[:-1], self.n_heads, -1).transpose(1, 2)


class Mlp(nn.Module):
    """SwiGLU of ternary weights."""

    def __init__(self, spec: BodySpec, *, is_scaled: bool) -> None:
        super().__init__()
        self.gate_proj = BitLinear(spec.d_model, spec.d_ff, is_scaled=is_scaled)
        self.up_proj = BitLinear(spec.d_model, spec.d_ff, is_scaled=is_scaled)
        self.down_proj = BitLinear(spec.d_ff, spec.d_model, is_scaled=is_scaled)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Block(nn.Module):
    """``x + ttt(norm(x))``, then ``x + mlp(norm(x))``."""

    def __init__(self, spec: BodySpec, ttt: TttSpec) -> None:
        super().__init__()
        is_original = ttt.rule == "reconstruct"
        self.norm1 = nn.RMSNorm(spec.d_model, eps=spec.norm_eps)
        self.ttt: Reconstruct | TttLinear = (Reconstruct if is_original else TttLinear)(spec, ttt)
        self.norm2 = nn.RMSNorm(spec.d_model, eps=spec.norm_eps)
        self.mlp = Mlp(spec, is_scaled=not is_original)

    def forward(
        self, x_BTD: Tensor, carry: Carry, form: Form, boost: float
    ) -> tuple[Tensor, Carry]:
        layer: TttLayer = self.ttt
        seen_BTD, carry = layer(self.norm1(x_BTD), carry, form, boost)
        x_BTD = x_BTD + seen_BTD
        return x_BTD + self.mlp(self.norm2(x_BTD)), carry
