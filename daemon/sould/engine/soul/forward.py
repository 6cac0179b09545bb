"""Layers of a body with a soul's share, over a micro-batch. T: its tokens, D: d_model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine.decoder import Decoder
from sould.engine.soul.attention import Layout, Shared
from sould.engine.soul.products import Products, frozen_linear, learning_mlp
from sould.engine.soul.weights import MATRICES, MatrixName, Soul, matrix_sizes, middle_of
from sould.engine.spec import BodySpec


class Share(Protocol):
    """What a soul adds to a body."""

    def pair(self, layer: int, name: MatrixName, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return A_RI and B_RO, where gradients end, on the layer's device."""
        ...

    @property
    def reads(self) -> int:
        """The layer whose MLP's input openings are read from."""
        ...

    def opening(self, x_TD: Tensor) -> Tensor | None:
        """Return how far these ranks are open to tokens, (T, R), None to all; see ``Soul``."""
        ...


class Worn:
    """The share of a soul; of rank 1 and zero for an empty one, or none."""

    def __init__(self, spec: BodySpec, soul: Soul | None) -> None:
        self._soul = soul
        self.reads = middle_of(spec) if soul is None else soul.reads
        self._sizes = matrix_sizes(spec)
        self._nothing: dict[tuple[MatrixName, torch.device], tuple[Tensor, Tensor]] = {}

    def pair(self, layer: int, name: MatrixName, device: torch.device) -> tuple[Tensor, Tensor]:
        found = None if self._soul is None else self._soul.pair(layer, name, device)
        if found is not None:
            return found
        if (name, device) not in self._nothing:
            n_in, n_out = self._sizes[name]
            zeros = torch.zeros(1, n_in, device=device), torch.zeros(1, n_out, device=device)
            self._nothing[name, device] = zeros
        return self._nothing[name, device]

    def opening(self, x_TD: Tensor) -> Tensor | None:
        return None if self._soul is None else self._soul.opening(x_TD)


class Run:
    """Layers of a decoder with a soul's share, over a prefix and the texts that follow it."""

    def __init__(self, decoder: Decoder, share: Share, products: Products) -> None:
        self.decoder = decoder
        self._share = share
        self._products = products

    def bare(self) -> Run:
        """Return the same without a soul."""
        return Run(self.decoder, Worn(self.decoder.spec, None), self._products)

    def embedded(self, prefix: Sequence[int], texts: Sequence[Sequence[int]]) -> Tensor:
        """Return the residual stream before the first layer, (T, D)."""
        ids = [*prefix, *(i for text in texts for i in text)]
        decoder = self.decoder
        return decoder.embed.gather(torch.tensor(ids, device=decoder.devices[0]))

    def layers(self, x_TD: Tensor, layout: Layout, which: range) -> Tensor:
        """Return the residual stream after some layers that follow each other."""
        decoder, products = self.decoder, self._products
        opening_TR: Tensor | None = None
        for i in which:
            device = decoder.devices[i]
            x_TD = x_TD.to(device)
            x_TD = x_TD + attention(decoder, i, x_TD, layout, products)
            sides = [side for name in MATRICES for side in self._share.pair(i, name, device)]
            h_TD = norm(decoder, x_TD, decoder.layers[i].mlp_norm)
            if i == self._share.reads:
                opening_TR = self._share.opening(h_TD)
            if opening_TR is not None:
                opening_TR = opening_TR.to(device)
            x_TD = x_TD + learning_mlp(h_TD, sides, opening_TR, decoder.layers[i], products)
        return x_TD


def attention(decoder: Decoder, i: int, x_TD: Tensor, layout: Layout, products: Products) -> Tensor:
    """Return what layer ``i`` adds by attention."""
    layer, spec = decoder.layers[i], decoder.spec
    h_TD = norm(decoder, x_TD, layer.attn_norm)
    q, k, v = (
        frozen_linear(h_TD, weight, bias, products).view(len(h_TD), -1, spec.head_dim)
        for weight, bias in (
            (layer.q, layer.q_bias),
            (layer.k, layer.k_bias),
            (layer.v, layer.v_bias),
        )
    )
    if layer.q_norm is not None and layer.k_norm is not None:
        q, k = norm(decoder, q, layer.q_norm), norm(decoder, k, layer.k_norm)
    out_TQ = layout.attend(layout.rotated(q), layout.rotated(k), v, decoder.windows[i])
    if layer.attn_sub_norm is not None:
        out_TQ = norm(decoder, out_TQ, layer.attn_sub_norm)
    return frozen_linear(out_TQ, layer.o, layer.o_bias, products)


def norm(decoder: Decoder, x: Tensor, weight: Tensor) -> Tensor:
    """Return ``x`` over its root mean square, times ``weight``."""
    return F.rms_norm(x, weight.shape, weight, decoder.spec.norm_eps)


def shared(decoder: Decoder, prefix: Sequence[int], texts: Sequence[Sequence[int]]) -> Shared:
    """Return how a prefix and the texts that follow it attend."""
    return Shared(decoder.spec, len(prefix), [len(text) for text in texts])
