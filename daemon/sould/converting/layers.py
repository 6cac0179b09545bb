"""A body run one layer after the other, over some windows of text, and what its matrices get.

Legend: T tokens of a window, D d_model, C columns of a matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sould.engine.decoder import Decoder, Kernel
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, LayerWeights, Weight

INPUTS: Mapping[str, tuple[str, ...]] = {
    "q": ("q", "k", "v"),
    "o": ("o",),
    "gate": ("gate", "up"),
    "down": ("down",),
}
"""Matrices that get the same input, by the one that is watched for it."""


class Layer(Decoder):
    """One layer of a body. ``see`` is told what goes into the matrices of ``INPUTS``."""

    def __init__(
        self,
        spec: BodySpec,
        weights: BodyWeights,
        i: int,
        kernel: Kernel | None,
        see: Callable[[str, Tensor], None] = lambda name, x_TC: None,
    ) -> None:
        one = replace(spec, n_layers=1, windows=spec.windows[i : i + 1])
        super().__init__(one, replace(weights, layers=(weights.layers[i],)), kernel=kernel)
        self._see = see
        self._watched = {id(getattr(self.layers[0], name)): name for name in INPUTS}

    def _product(self, x_TI: Tensor, weight: Weight, bias: Tensor | None = None) -> Tensor:
        name = self._watched.get(id(weight))
        if name is not None:
            self._see(name, x_TI)
        return super()._product(x_TI, weight, bias)


def moments_of(
    spec: BodySpec,
    weights: BodyWeights,
    i: int,
    kernel: Kernel | None,
    windows: Sequence[Tensor],
    check: Callable[[], None],
) -> dict[str, Tensor]:
    """Return the sum of xxᵀ of all that goes into the matrices of layer ``i``, (C, C) each."""
    sums: dict[str, Tensor] = {}

    def see(name: str, x_TC: Tensor) -> None:
        check()
        if name not in sums:
            sums[name] = torch.zeros(x_TC.shape[1], x_TC.shape[1])
        sums[name].addmm_(x_TC.T, x_TC)

    run_layer(Layer(spec, weights, i, kernel, see), windows, check)
    return sums


@torch.no_grad()
def run_layer(layer: Layer, windows: Sequence[Tensor], check: Callable[[], None]) -> list[Tensor]:
    """Return what comes out of a layer, (T, D) for every window (T, D)."""
    outs = []
    for x_TD in windows:
        check()
        outs.append(layer.run(x_TD))
    return outs


def with_layer(weights: BodyWeights, i: int, layer: LayerWeights) -> BodyWeights:
    """Return the weights with another layer in the place of one."""
    return replace(weights, layers=(*weights.layers[:i], layer, *weights.layers[i + 1 :]))
