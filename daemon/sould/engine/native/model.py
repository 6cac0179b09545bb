"""A native body as a whole: for training, and frozen for use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sould.engine.native.carry import Carry
from sould.engine.native.layers import Block, Form, TttLinear
from sould.engine.native.ternary import BitLinear
from sould.engine.spec import BodySpec


class NativeModel(nn.Module):
    """Embedding, blocks, norm, head. Its parameters are uninitialised: load or draw them."""

    def __init__(self, spec: BodySpec) -> None:
        super().__init__()
        if spec.ttt is None:
            raise ValueError(f"a {spec.family} body has no TTT layers")
        self.spec = spec
        self.embed = nn.Embedding(spec.vocab_size, spec.d_model)
        self.layers = nn.ModuleList(Block(spec, spec.ttt) for _ in range(spec.n_layers))
        self.norm_f = nn.RMSNorm(spec.d_model, eps=spec.norm_eps)
        self.lm_head = None if spec.tied else nn.Linear(spec.d_model, spec.vocab_size, bias=False)

    def blocks(self) -> Iterator[Block]:
        for block in self.layers:
            assert isinstance(block, Block)
            yield block

    def first_states(self) -> list[Tensor]:
        """Return (H, E, E) of each layer: what a text begins with, nothing learned."""
        return [block.ttt.first_state() for block in self.blocks()]

    def begin(self, states: Sequence[Tensor] | None = None, batch: int = 1) -> list[Carry]:
        """Return the beginning of ``batch`` texts, with these states or the first ones."""
        found = self.first_states() if states is None else states
        return [Carry.begun(state.expand(batch, *state.shape)) for state in found]

    def forward(
        self,
        ids_BT: Tensor,
        carries: Sequence[Carry],
        *,
        form: Form = "chunked",
        boost: float = 1.0,
    ) -> tuple[Tensor, list[Carry]]:
        """Return the residual stream after the last layer, (B, T, D), and what follows."""
        x_BTD, after = self.embed(ids_BT), []
        for block, carry in zip(self.blocks(), carries, strict=True):
            x_BTD, carry = block(x_BTD, carry, form, boost)
            after.append(carry)
        return x_BTD, after

    @property
    def head(self) -> Tensor:
        """What makes logits of the normed residual stream, (V, D)."""
        return self.embed.weight if self.lm_head is None else self.lm_head.weight

    def logits(self, x_BTD: Tensor) -> Tensor:
        """Return (B, T, V)."""
        return F.linear(self.norm_f(x_BTD), self.head)

    def freeze(self) -> NativeModel:
        """Make all ternary weights final; no gradients from here on. Returns itself."""
        for module in self.modules():
            if isinstance(module, BitLinear):
                module.freeze()
        return self.requires_grad_(False).eval()

    @torch.no_grad()
    def draw(self, seed: int) -> NativeModel:
        """Fill in random parameters to begin training with. Returns itself."""
        generator = torch.Generator().manual_seed(seed)
        deep = (2 * self.spec.n_layers) ** -0.5
        for name, parameter in self.named_parameters():
            if name.endswith(("norm1.weight", "norm2.weight", "norm.weight", "norm_f.weight")):
                parameter.fill_(1.0)
            else:
                is_last = name.endswith(("answer.weight", "down_proj.weight", "ttt.up.weight"))
                parameter.normal_(0.0, 0.02 * (deep if is_last else 1.0), generator=generator)
        for block in self.blocks():
            if isinstance(block.ttt, TttLinear):
                _begin_ttt_linear(block.ttt)
        return self


def _begin_ttt_linear(layer: TttLinear) -> None:
    """Let a layer begin as a plain memory: keys are stored as they are, at half the rate."""
    layer.inner_scale.fill_(1.0)
    layer.inner_shift.zero_()
    layer.rate.bias.zero_()
    layer.conv.zero_()
    layer.conv[:, -1] = 1.0
    layer.state.copy_(torch.eye(layer.state.shape[-1]).expand_as(layer.state))
