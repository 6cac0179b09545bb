"""The plain reference of everything a soul does: dense ΔW beside W, one sequence at a time.

Slow, and obviously right: the fast paths are held to it, values and gradients
(tests/contract/test_soul.py, test_soul_batch.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sould.engine.decoder import Decoder
from sould.engine.soul.batch import Learned, Row
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import MATRICES, MatrixName, Soul
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights


def logits(spec: BodySpec, weights: BodyWeights, soul: Soul, ids: Sequence[int]) -> Tensor:
    """Return f32 logits (T, V) of one sequence; differentiable in ``soul.a`` and ``soul.b``."""
    decoder = _Beside(spec, weights, soul)
    return decoder.logits(decoder.run(decoder.embed.gather(torch.tensor(ids))))


class _Beside(Decoder):
    """A body, and beside its matrices the soul's dense ones, one of each rank."""

    def __init__(self, spec: BodySpec, weights: BodyWeights, soul: Soul) -> None:
        super().__init__(spec, weights)
        self._beside = soul

    def _mlp(self, i: int, x_TD: Tensor, opening_TR: Tensor | None) -> Tensor:
        weights_RD, bias_R = self._beside.scope[:, :-1], self._beside.scope[:, -1]
        if i == self._beside.reads:
            self._opening_TR = (x_TD.detach() @ weights_RD.T + bias_R).clamp(0, 1)
        elif i < self._beside.reads:
            self._opening_TR = torch.ones(len(x_TD), len(bias_R))
        return super()._mlp(i, x_TD, self._opening_TR)

    def _ensouled(
        self, i: int, name: MatrixName, x_TI: Tensor, y_TO: Tensor, opening_TR: Tensor | None
    ) -> Tensor:
        assert opening_TR is not None
        a_RI, b_RO = self._beside.a[name][i], self._beside.b[name][i]
        for r in range(len(a_RI)):
            delta_OI = torch.outer(b_RO[r], a_RI[r])
            y_TO = y_TO + opening_TR[:, r, None] * (x_TI @ delta_OI.T)
        return y_TO


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
        worst=[float(loss_P.detach().max()) for loss_P in losses],
        tokens=tokens,
    )
