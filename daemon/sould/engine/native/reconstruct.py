"""The original engine's rule: a state W learns, token by token, to leave features as they are.

For features f of length about one: z = W f, then W ← W - rate · (z - f) fᵀ. With M = W - 1 that
is M ← M (1 - rate · f fᵀ), which grows for no rate between 0 and 2; so over many tokens, however
cut, y_t = M_{t-1} f_t solves the triangular system

    y_t + rate · Σ_{s<t} (f_s · f_t) y_s = M₀ f_t        and        z_t = f_t + y_t,

which is the chunked form: the same numbers as token by token, up to rounding. (The original has
a chunked form of its own, which holds W fixed inside a chunk. It is another rule, and diverges.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from sould.engine.native.carry import Carry

FULL_RATE = 1.0  # learns a feature whole in one step; more overshoots, and 2 only mirrors M
CHUNK = 64
NORM_EPS = 1e-6


def features(x_BTE: Tensor) -> Tensor:
    """Return ``x`` at a length of about one, as the original does it."""
    length_BT1: Tensor = torch.linalg.vector_norm(x_BTE, dim=-1, keepdim=True)
    return x_BTE / (length_BT1 + NORM_EPS)


def boosted(inner_lr: float, boost: float) -> float:
    """Return ``boost`` times a body's rate, but no more than ``FULL_RATE`` or its own."""
    return min(inner_lr * boost, max(inner_lr, FULL_RATE))


def sequential(f_BHTE: Tensor, carry: Carry, rate: float) -> tuple[Tensor, Carry]:
    """Return z of every token, and what follows: the rule as it is told, one by one."""
    w_BHEE, out = carry.now_BHEE, []
    for f_BHE in f_BHTE.unbind(-2):
        z_BHE = torch.einsum("bhij,bhj->bhi", w_BHEE, f_BHE)
        w_BHEE = w_BHEE - rate * torch.einsum("bhi,bhj->bhij", z_BHE - f_BHE, f_BHE)
        out.append(z_BHE)
    return torch.stack(out, -2), Carry.begun(w_BHEE)


def chunked(f_BHTE: Tensor, carry: Carry, rate: float) -> tuple[Tensor, Carry]:
    """Return what :func:`sequential` does, ``CHUNK`` tokens at a time."""
    eye_EE = torch.eye(f_BHTE.shape[-1], dtype=f_BHTE.dtype, device=f_BHTE.device)
    m_BHEE, out = carry.now_BHEE - eye_EE, []
    for f_BHNE in torch.split(f_BHTE, CHUNK, -2):
        likeness_BHNN = (f_BHNE @ f_BHNE.mT).tril(-1)
        eye_NN = torch.eye(f_BHNE.shape[-2], dtype=f_BHTE.dtype, device=f_BHTE.device)
        y_BHNE = torch.linalg.solve_triangular(
            eye_NN + rate * likeness_BHNN, f_BHNE @ m_BHEE.mT, upper=False, unitriangular=True
        )
        m_BHEE = m_BHEE - rate * y_BHNE.mT @ f_BHNE
        out.append(f_BHNE + y_BHNE)
    return torch.cat(out, -2), Carry.begun(m_BHEE + eye_EE)
