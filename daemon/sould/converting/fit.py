"""Find the sum of ternary matrices that is nearest to a matrix, for what goes into it.

The scales of a group of columns are found by turns: every weight takes the nearest of its 3^N
levels, then the scales are those of least squares, each column counted by how much of what goes
into it no later one could make up for. Columns are made ternary one after the other, and what
each is off by is made up for by those that come after it, as the inputs go together (GPTQ,
arXiv:2210.17323, algorithm 1).

Legend: N bases, L = 3^N levels, R rows, C columns, G groups of columns.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sould.engine.formats.bases import GROUP
from sould.errors import BadRequest

log = logging.getLogger(__name__)

DAMPING = 0.03  # of the mean of the inputs' squares: of 0.003 to 0.3 the best on text not read
MORE_DAMPING = (0.3, 3.0)  # where rounding leaves moments that no inputs can have
ROUNDS = 4  # of codes and scales by turns
LARGEST = 65504.0  # of f16


@dataclass(frozen=True)
class Fitted:
    """``codes``: (N, R, C) uint8, one more than -1, 0 or 1; ``scales``: (N, R, G) f16."""

    codes: Tensor
    scales: Tensor


def fit(
    w_RC: Tensor,
    moments_CC: Tensor,
    n: int,
    *,
    feedback: bool = True,
    check: Callable[[], None] = lambda: None,
) -> Fitted:
    """Return what comes nearest to ``w`` where the second moments of the inputs are ``moments``.

    ``feedback``: make up for errors in later columns. ``check`` is called often, and may raise.

    Raises:
        BadRequest: the moments are not finite, or no moments of anything.
    """
    w_RC, moments_CC = w_RC.float().clone(), moments_CC.float()
    rows, cols = w_RC.shape
    upper_CC = _root_of_inverse(moments_CC)
    counts_C = upper_CC.diagonal().square().reciprocal()  # what feedback cannot make up for
    counts_C = counts_C / counts_C.mean()
    codes = torch.empty(n, rows, cols, dtype=torch.uint8, device=w_RC.device)
    scales = []
    for start in range(0, cols, GROUP):
        check()
        stop = min(start + GROUP, cols)
        here, later = slice(start, stop), slice(stop, cols)
        scales_RN = fit_scales(w_RC[:, here], counts_C[here], n)
        scales.append(scales_RN.T)
        levels = Levels(scales_RN)
        if not feedback:
            codes[:, :, here] = levels.codes(levels.nearest(w_RC[:, here]))
            continue
        errors_RC = torch.empty(rows, stop - start, device=w_RC.device)
        block_RC, root_CC = w_RC[:, here].clone(), upper_CC[here, here]
        for j in range(stop - start):
            column_R1 = block_RC[:, j : j + 1]
            taken_R1 = levels.nearest(column_R1)
            codes[:, :, start + j] = levels.codes(taken_R1)[..., 0]
            error_R1 = (column_R1 - levels.values(taken_R1)) / root_CC[j, j]
            block_RC[:, j + 1 :] -= error_R1 * root_CC[j, j + 1 :]
            errors_RC[:, j] = error_R1[:, 0]
        w_RC[:, later] -= errors_RC @ upper_CC[here, later]
    return Fitted(codes, torch.stack(scales, dim=-1).to(torch.float16))


class Levels:
    """The 3^N values a weight of each row may have, in their order."""

    def __init__(self, scales_RN: Tensor) -> None:
        self._n = scales_RN.shape[1]
        self._codes_LN = _digits(self._n, scales_RN.device)
        values_RL = scales_RN @ (self._codes_LN.float() - 1).T
        self._values_RL, self._order_RL = values_RL.sort(dim=1)
        self._between_RL = (self._values_RL[:, 1:] + self._values_RL[:, :-1]) / 2

    def nearest(self, w_RC: Tensor) -> Tensor:
        """Return which level each weight is nearest to, (R, C)."""
        return torch.searchsorted(self._between_RL, w_RC.contiguous())

    def values(self, taken_RC: Tensor) -> Tensor:
        return self._values_RL.gather(1, taken_RC)

    def codes(self, taken_RC: Tensor) -> Tensor:
        """Return the codes of levels, (N, R, C) uint8."""
        return self._codes_LN[self._order_RL.gather(1, taken_RC)].permute(2, 0, 1)


def fit_scales(w_RC: Tensor, counts_C: Tensor, n: int, *, rounds: int = ROUNDS) -> Tensor:
    """Return scales of the columns of one group, (R, N) f32 that f16 holds exactly."""
    starts = [_greedy(w_RC, counts_C, n)] if n < 3 else []
    starts += [_even(w_RC, n)] if n > 1 else []  # each loses by itself where both are tried
    best_RN, least_R = None, None
    for scales_RN in starts:
        for _ in range(rounds):
            scales_RN = _least_squares(w_RC, counts_C, scales_RN)
        scales_RN = scales_RN.clamp(-LARGEST, LARGEST).half().float()
        levels = Levels(scales_RN)
        off_RC = w_RC - levels.values(levels.nearest(w_RC))
        error_R = (off_RC.square() * counts_C).sum(1)
        if best_RN is None or least_R is None:
            best_RN, least_R = scales_RN, error_R
        else:
            best_RN = torch.where((error_R < least_R)[:, None], scales_RN, best_RN)
    assert best_RN is not None
    return best_RN


def _greedy(w_RC: Tensor, counts_C: Tensor, n: int) -> Tensor:
    """Return scales of bases that each say what they can of what those before left over."""
    left_RC, scales = w_RC, []
    for _ in range(n):
        size_RC = left_RC.abs()
        is_on_RC = (size_RC > 0.7 * size_RC.mean(1, keepdim=True)).float()  # arXiv:1605.04711
        weight_RC = is_on_RC * counts_C
        scale_R1 = (size_RC * weight_RC).sum(1, keepdim=True) / weight_RC.sum(
            1, keepdim=True
        ).clamp_min(1e-30)
        left_RC = left_RC - left_RC.sign() * is_on_RC * scale_R1
        scales.append(scale_R1)
    return torch.cat(scales, dim=1)


def _even(w_RC: Tensor, n: int) -> Tensor:
    """Return scales whose levels are evenly apart, from a row's least weight to its largest."""
    step_R1: Tensor = w_RC.abs().amax(1, keepdim=True) * 2 / (3**n - 1)
    return step_R1 * torch.tensor([3.0**k for k in range(n)], device=w_RC.device)


def _least_squares(w_RC: Tensor, counts_C: Tensor, scales_RN: Tensor) -> Tensor:
    """Return the best scales for the levels that are nearest under the given ones."""
    levels = Levels(scales_RN)
    signs_RNC = levels.codes(levels.nearest(w_RC)).permute(1, 0, 2).float() - 1
    counted_RNC = signs_RNC * counts_C
    gram_RNN = counted_RNC @ signs_RNC.mT
    wanted_RN1 = counted_RNC @ w_RC[..., None]
    ridge_R = 1e-6 * gram_RNN.diagonal(dim1=1, dim2=2).sum(1) + 1e-30
    gram_RNN = gram_RNN + ridge_R[:, None, None] * torch.eye(gram_RNN.shape[1], device=w_RC.device)
    solved_RN1: Tensor = torch.linalg.solve(gram_RNN, wanted_RN1)
    return solved_RN1[..., 0]


def _root_of_inverse(moments_CC: Tensor) -> Tensor:
    """Return U, upper, of which UᵀU is the inverse of the damped moments.

    Raises:
        BadRequest: they are not finite, or no moments of anything.
    """
    cols, mean = len(moments_CC), float(moments_CC.diagonal().mean())
    is_finite = bool(moments_CC.isfinite().all())
    for damping in (DAMPING, *MORE_DAMPING) if is_finite else ():
        damped_CC = moments_CC.clone()
        damped_CC.diagonal().add_(damping * mean + 1e-30)
        try:
            inverse_CC = torch.cholesky_inverse(torch.linalg.cholesky(damped_CC))
            upper_CC: Tensor = torch.linalg.cholesky(inverse_CC, upper=True)
        except torch.linalg.LinAlgError as e:  # type: ignore[attr-defined]
            log.warning("inputs cannot be told apart columns=%d damping=%g: %s", cols, damping, e)
            continue
        return upper_CC
    raise BadRequest(
        f"what goes into a matrix of {cols} columns cannot be fitted to: its squares have a mean "
        f"of {mean:g}",
        "see whether the body talks sense, and convert it with other texts",
    )


def _digits(n: int, device: torch.device) -> Tensor:
    """Return the codes of all levels, (L, N) uint8."""
    numbers_L1 = torch.arange(3**n, device=device)[:, None]
    return (numbers_L1 // 3 ** torch.arange(n, device=device) % 3).to(torch.uint8)
