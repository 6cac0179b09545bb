"""What differs between two souls of one body: norms by layer, and the answers to questions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from soul_client.wire import LayerNorms
from sould.engine.native.soul import StateSoul
from sould.engine.soul.weights import MATRICES, MatrixName, Soul, product_norms
from sould.engine.spec import BodySpec


def layer_norms(spec: BodySpec, a: Soul | None, b: Soul | None) -> list[LayerNorms]:
    """Return ‖ΔW‖_F of both souls and of their difference, gate, up and down of every layer.

    None is the bare body. The difference is exact: B₁A₁ - B₂A₂ is a product of stacked factors.
    """
    columns: dict[str, list[Tensor]] = {"a": [], "b": [], "change": []}
    for name in MATRICES:
        one, other = _factors(spec, a, name), _factors(spec, b, name)
        both = torch.cat([one[0], other[0]], 1), torch.cat([one[1], -other[1]], 1)
        for key, (a_NRI, b_NRO) in (("a", one), ("b", other), ("change", both)):
            columns[key].append(product_norms(a_NRI, b_NRO))
    tables = {key: torch.stack(norms, 1).tolist() for key, norms in columns.items()}
    return [
        LayerNorms(layer=i, a=tables["a"][i], b=tables["b"][i], change=tables["change"][i])
        for i in range(spec.n_layers)
    ]


def state_norms(
    first: Sequence[Tensor], a: StateSoul | None, b: StateSoul | None
) -> list[LayerNorms]:
    """Return ‖W - W₀‖_F of both souls of a native body and ‖Wₐ - W_b‖_F, one number a layer.

    ``first``: W₀ of each layer. None is the bare body.
    """
    states = [first if soul is None else soul.states for soul in (a, b)]
    return [
        LayerNorms(
            layer=i,
            a=[float((one - own).norm())],
            b=[float((other - own).norm())],
            change=[float((one - other).norm())],
        )
        for i, (own, one, other) in enumerate(zip(first, *states, strict=True))
    ]


def _factors(spec: BodySpec, soul: Soul | None, name: MatrixName) -> tuple[Tensor, Tensor]:
    if soul is None:
        soul = Soul(spec, ranks={"slow": 1})
    return soul.a[name], soul.b[name]
