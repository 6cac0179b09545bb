"""The loss of a training step, and its gradients, without the logits of all tokens at once."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from sould.engine.native.model import NativeModel

ROWS = 256  # tokens whose logits are there at a time


def mean_loss(model: NativeModel, ids_BT: Tensor) -> Tensor:
    """Return the mean of -ln p over every token but the first of each text, to be differentiated.

    Equals ``evaluation.loss_of(model, ids_BT).mean()`` up to rounding, gradients too.
    """
    ids_BT = ids_BT.to(model.embed.weight.device)
    x_BTD, _ = model(ids_BT[:, :-1], model.begin(batch=len(ids_BT)))
    normed_ND = model.norm_f(x_BTD).flatten(0, 1)
    loss = _HeadLoss.apply(normed_ND, model.head, ids_BT[:, 1:].flatten())  # type: ignore[no-untyped-call]
    return cast(Tensor, loss)


class _HeadLoss(torch.autograd.Function):
    """Mean cross-entropy of a linear head. Its gradients are made on the way, where logits are."""

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, head_VD: Tensor, wanted_N: Tensor) -> Tensor:
        nats = x_ND.new_zeros((), dtype=torch.float32)
        x_grads = []
        head_grad_VD = torch.zeros_like(head_VD, dtype=torch.float32)
        parts = zip(torch.split(x_ND, ROWS), torch.split(wanted_N, ROWS), strict=True)
        for x_RD, wanted_R in parts:
            p_RV = (x_RD @ head_VD.mT).float().log_softmax(-1)
            nats -= p_RV.gather(-1, wanted_R[:, None]).sum()
            p_RV.exp_()
            p_RV[torch.arange(len(p_RV), device=p_RV.device), wanted_R] -= 1.0
            x_grads.append((p_RV @ head_VD).to(x_ND.dtype))
            head_grad_VD += p_RV.mT @ x_RD.to(p_RV.dtype)
        size = len(x_ND)
        x_grad_ND = torch.cat(x_grads).div_(size)
        ctx.save_for_backward(x_grad_ND, head_grad_VD.div_(size).to(head_VD.dtype))
        return nats / size

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (by_loss,) = grads
        x_grad_ND, head_grad_VD = ctx.saved_tensors
        return x_grad_ND * by_loss, head_grad_VD * by_loss, None
