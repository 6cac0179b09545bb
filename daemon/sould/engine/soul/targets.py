"""What an answer is held to, and the loss through the head.

Legend: P positions, K tokens a target names, D d_model, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sould.engine.soul.products import Products
from sould.engine.weights import Weight

CHUNK_LOGITS = 1 << 22  # that exist at the same time: 16 MiB


@dataclass(frozen=True)
class Target:
    """A distribution over the next token at some positions.

    ``ids``: (P, K) tokens, different ones in each row; ``p``: (P, K) their probabilities;
    ``rest``: (P,) the probability of all other tokens together, which only their sum is held to.
    """

    ids: Tensor
    p: Tensor
    rest: Tensor

    def part(self, rows: slice) -> Target:
        return Target(self.ids[rows], self.p[rows], self.rest[rows])

    def to(self, device: torch.device) -> Target:
        return Target(self.ids.to(device), self.p.to(device), self.rest.to(device))

    @staticmethod
    def joined(targets: Sequence[Target]) -> Target:
        """Return the positions of all, one after the other; they name as many tokens each."""
        return Target(
            torch.cat([t.ids for t in targets]),
            torch.cat([t.p for t in targets]),
            torch.cat([t.rest for t in targets]),
        )

    @staticmethod
    def tokens(ids: list[int]) -> Target:
        """Certainty: the loss is cross-entropy."""
        column = torch.tensor(ids).view(-1, 1)
        return Target(column, torch.ones(column.shape), torch.zeros(len(ids)))

    @staticmethod
    def teacher(log_p_PV: Tensor, k: int) -> Target:
        """Keep the ``k`` likeliest tokens of log-probabilities; with k = V all, exactly."""
        top = log_p_PV.float().topk(k, dim=-1)
        p_PK = top.values.exp()
        is_all = k == log_p_PV.shape[-1]
        rest_P = torch.zeros(len(p_PK)) if is_all else (1 - p_PK.sum(-1)).clamp_min(0)
        return Target(top.indices, p_PK, rest_P)


def head_loss(x_PD: Tensor, target: Target, head: Weight, products: Products) -> Tensor:
    """KL(target ‖ softmax(head · x)) of each position, (P,), the rest counted as one token.

    The gradient is made on the way forward, chunk by chunk, so that logits are computed once
    and never exist all at the same time.
    """
    return cast(Tensor, _HeadLoss.apply(x_PD, target, head, products))  # type: ignore[no-untyped-call]


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_PD: Tensor, target: Target, head: Weight, products: Products) -> Tensor:
        losses, slopes, step = [], [], chunk_size(head.rows)
        target = target.to(x_PD.device)
        for start in range(0, len(x_PD), step):
            rows = slice(start, start + step)
            logits_CV = products.forward(x_PD[rows], head)
            losses.append(loss_into_slope(logits_CV, target.part(rows)))
            slopes.append(products.back(logits_CV, head))
        ctx.save_for_backward(torch.cat(slopes))
        return torch.cat(losses)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        slopes_PD: Tensor = ctx.saved_tensors[0]
        return slopes_PD * grads[0][:, None], None, None, None


def chunk_size(vocab_size: int) -> int:
    """Return the positions of a chunk: a multiple of 12, the rows of the kernel's tiles."""
    return max(12, min(96, CHUNK_LOGITS // vocab_size // 12 * 12))


def loss_into_slope(logits_CV: Tensor, target: Target) -> Tensor:
    """Return the losses, (C,), and overwrite the logits with the slope of their losses.

    With q = softmax(logits), that is q - p at a named token, and at any other one
    q · (1 - rest / Σ q), the sum over all that are not named.
    """
    sums_C1 = logits_CV.logsumexp(-1, keepdim=True)
    log_q_CK = logits_CV.gather(-1, target.ids) - sums_C1
    slope_CV = logits_CV.sub_(sums_C1).exp_()
    loss_C = (torch.xlogy(target.p, target.p) - target.p * log_q_CK).sum(-1)
    if target.rest.any():
        slope_CV.scatter_(-1, target.ids, 0)
        q_rest_C = slope_CV.sum(-1).clamp_min(torch.finfo(torch.float32).tiny)
        loss_C += torch.xlogy(target.rest, target.rest / q_rest_C)
        slope_CV.mul_((1 - target.rest / q_rest_C)[:, None])
    slope_CV.scatter_(-1, target.ids, log_q_CK.exp() - target.p)
    return loss_C
