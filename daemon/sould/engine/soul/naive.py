"""The plain reference of everything a soul does: dense ΔW added to dense W, one sequence at a time.

Slow, and obviously right: the fast paths are held to it, values and gradients
(tests/contract/test_soul.py, test_soul_batch.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.soul.batch import Learned, Row
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import MATRICES, MatrixName, Soul
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, LayerWeights, Weight


def merged(weights: BodyWeights, soul: Soul) -> BodyWeights:
    """Return the body dense in f32, the soul added; differentiable in ``soul.a`` and ``soul.b``.

    Ternary matrices stay as they are, bare: what goes into them is rounded, into a soul not.
    """

    def layer(i: int, old: LayerWeights) -> LayerWeights:
        dense: dict[str, Tensor] = {}
        for name in ("q", "k", "v", "o", *MATRICES):
            weight: Weight = getattr(old, name)
            if weight.format == "ternary":
                continue
            dense[name] = weight.dense()
            if name in MATRICES:
                dense[name] = dense[name] + _delta(soul, i, name)
        parts: dict[str, Any] = {m: Weight("f32", w, *w.shape) for m, w in dense.items()}
        return replace(old, **parts)

    layers = tuple(layer(i, old) for i, old in enumerate(weights.layers))
    return replace(weights, layers=layers)


def logits(spec: BodySpec, weights: BodyWeights, soul: Soul, ids: Sequence[int]) -> Tensor:
    """Return f32 logits (T, V) of one sequence."""
    decoder = _Beside(spec, merged(weights, soul), soul)
    return decoder.logits(decoder.run(decoder.embed.gather(torch.tensor(ids))))


class _Beside(Decoder):
    """A merged body; beside its ternary matrices the soul's dense ones are multiplied too."""

    def __init__(self, spec: BodySpec, weights: BodyWeights, soul: Soul) -> None:
        super().__init__(spec, weights)
        self._beside = soul

    def _ensouled(self, i: int, name: MatrixName, x_TI: Tensor, y_TO: Tensor) -> Tensor:
        weight: Weight = getattr(self.layers[i], name)
        if weight.format != "ternary":
            return y_TO
        return y_TO + x_TI @ _delta(self._beside, i, name).T


def _delta(soul: Soul, layer: int, name: MatrixName) -> Tensor:
    return soul.b[name][layer].T @ soul.a[name][layer]


def loss(logits_PV: Tensor, target: Target) -> Tensor:
    """Return KL(target ‖ softmax(logits)) of each position, (P,), the rest as one token."""
    q_PV = logits_PV.double().softmax(-1)
    q_PK = q_PV.gather(-1, target.ids)
    named = torch.xlogy(target.p, target.p) - target.p * q_PK.log()
    losses = list(named.sum(-1))
    for p, rest in enumerate(target.rest):
        if rest > 0:
            is_rest_V = torch.ones(q_PV.shape[1], dtype=torch.bool).index_fill(0, target.ids[p], 0)
            losses[p] = losses[p] + rest * (rest / q_PV[p][is_rest_V].sum()).log()
    return torch.stack(losses)


def learn(
    spec: BodySpec,
    weights: BodyWeights,
    soul: Soul,
    part: str,
    prefix: Sequence[int],
    rows: Sequence[Row],
) -> Learned:
    """Return the gradients of ``part``: every row on its own, with the whole prefix before it."""
    leaves = [side[name].requires_grad_() for name in MATRICES for side in (soul.a, soul.b)]
    losses, tokens = [], 0
    for row in rows:
        ids = [*prefix, *row.ids]
        wanted = [len(prefix) + p - 1 for p in row.positions]
        losses.append(loss(logits(spec, weights, soul, ids)[wanted], row.target))
        tokens += len(ids)
    each = torch.tensor([weight for row in rows for weight in row.weights], dtype=torch.double)
    grads = iter(torch.autograd.grad(each @ torch.cat(losses), leaves))
    for leaf in leaves:
        leaf.requires_grad_(False)
    mine = soul.rows(part)
    return Learned(
        gradients={f"{name}.{side}": next(grads)[:, mine] for name in MATRICES for side in "ab"},
        losses=[float(loss_P.detach().sum()) for loss_P in losses],
        tokens=tokens,
    )
