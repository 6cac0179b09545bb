"""TTT-Linear (arXiv:2407.04620, sections 2.3 to 2.7): a state that learns to tell values from keys.

Each head has a linear model W. Of a token it sees three views: it learns v from k, and answers q.

    f(x) = x + LN(x W)            loss(W; k, v) = ½ ‖f(k) - v‖²            out = f(q)

Of a mini-batch of tokens, all gradients are taken at the W that it began with, so that many can be
computed at once; each token is answered with its own step, and those before it, made. Every token
has its own rate. Views are (B, H, T, E), rates (B, H, T), states (B, H, E, E) with x a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine.native.carry import Carry

INNER_EPS = 1e-5  # of the inner norm


@dataclass(frozen=True, kw_only=True)
class Views:
    """What a layer's state sees of some tokens."""

    q_BHTE: Tensor
    k_BHTE: Tensor
    v_BHTE: Tensor
    rate_BHT: Tensor

    def to(self, dtype: torch.dtype) -> Views:
        return Views(
            q_BHTE=self.q_BHTE.to(dtype),
            k_BHTE=self.k_BHTE.to(dtype),
            v_BHTE=self.v_BHTE.to(dtype),
            rate_BHT=self.rate_BHT.to(dtype),
        )

    def part(self, start: int, end: int) -> Views:
        return Views(
            q_BHTE=self.q_BHTE[..., start:end, :],
            k_BHTE=self.k_BHTE[..., start:end, :],
            v_BHTE=self.v_BHTE[..., start:end, :],
            rate_BHT=self.rate_BHT[..., start:end],
        )


@dataclass(frozen=True, kw_only=True)
class InnerNorm:
    """The layer norm inside the inner model, of each head; ``scale_HE``, ``shift_HE``."""

    scale_HE: Tensor
    shift_HE: Tensor

    def __call__(self, z_BHTE: Tensor) -> Tensor:
        unit = F.layer_norm(z_BHTE, z_BHTE.shape[-1:], eps=INNER_EPS)
        return unit * self.scale_HE[:, None] + self.shift_HE[:, None]

    def slope(self, z_BHTE: Tensor, target_BHTE: Tensor) -> Tensor:
        """Return the gradient of ½ ‖LN(z) - target‖² at z."""
        centred = z_BHTE - z_BHTE.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + INNER_EPS).sqrt()
        unit = centred / deviation
        scale = self.scale_HE[:, None]
        g = (unit * scale + self.shift_HE[:, None] - target_BHTE) * scale
        along = (g * unit).mean(-1, keepdim=True)
        return (g - g.mean(-1, keepdim=True) - unit * along) / deviation


def sequential(
    views: Views, norm: InnerNorm, carry: Carry, mini_batch: int
) -> tuple[Tensor, Carry]:
    """Return f(q) of every token, and what follows: the rule as it is told, one by one."""
    now, base, phase = carry.now_BHEE, carry.base_BHEE, carry.phase
    answers = []
    for t in range(views.k_BHTE.shape[-2]):
        one = views.part(t, t + 1)
        slope = norm.slope(one.k_BHTE @ base, one.v_BHTE - one.k_BHTE)
        now = now - (one.k_BHTE * one.rate_BHT[..., None]).mT @ slope
        answers.append(one.q_BHTE + norm(one.q_BHTE @ now))
        phase = (phase + 1) % mini_batch
        base = now if phase == 0 else base
    return torch.cat(answers, -2), Carry(now_BHEE=now, base_BHEE=base, phase=phase)


def chunked(views: Views, norm: InnerNorm, carry: Carry, mini_batch: int) -> tuple[Tensor, Carry]:
    """Return what :func:`sequential` does, a mini-batch at a time.

    With s ≤ t in one call, q_t · W_t is q_t · W minus Σ (q_t · k_s) · rate_s · slope_s.
    """
    now, base, phase = carry.now_BHEE, carry.base_BHEE, carry.phase
    target_BHTE = views.v_BHTE - views.k_BHTE
    paced_BHTE = views.k_BHTE * views.rate_BHT[..., None]
    cut = partial(_cut, phase=phase, mini_batch=mini_batch)
    answers = []
    parts = zip(*map(cut, (views.q_BHTE, views.k_BHTE, paced_BHTE, target_BHTE)), strict=True)
    for q_BHNE, k_BHNE, paced_BHNE, target_BHNE in parts:
        slope_BHNE = norm.slope(k_BHNE @ base, target_BHNE)
        seen_BHNN = (q_BHNE @ paced_BHNE.mT).tril()
        answers.append(q_BHNE @ now - seen_BHNN @ slope_BHNE)
        now = now - paced_BHNE.mT @ slope_BHNE
        phase = (phase + k_BHNE.shape[-2]) % mini_batch
        base = now if phase == 0 else base
    answered_BHTE = views.q_BHTE + norm(torch.cat(answers, -2))
    return answered_BHTE, Carry(now_BHEE=now, base_BHEE=base, phase=phase)


def _cut(x_BHTE: Tensor, *, phase: int, mini_batch: int) -> Iterator[Tensor]:
    """Yield what ends the open mini-batch, then whole ones, then what begins the next."""
    first = (mini_batch - phase) % mini_batch
    if first:
        yield x_BHTE[..., :first, :]
    if x_BHTE.shape[-2] > first:
        yield from torch.split(x_BHTE[..., first:, :], mini_batch, -2)
