"""What lies between the matrices of an MLP, forward and back: the gate's activation, the norm."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine.spec import Activation


def activation_and_slope(gate_TF: Tensor, activation: Activation) -> tuple[Tensor, Tensor]:
    """Return the activation and its derivative, both new tensors."""
    if activation == "relu2":
        positive_TF = F.relu(gate_TF)
        return positive_TF.square(), positive_TF.mul_(2)
    sigmoid_TF = gate_TF.sigmoid()
    silu_TF = gate_TF * sigmoid_TF
    # silu' = σ + silu (1 - σ)
    slope_TF = sigmoid_TF.add_(silu_TF).addcmul_(silu_TF, sigmoid_TF - silu_TF, value=-1)
    return silu_TF, slope_TF


def norm(x_TF: Tensor, weight_F: Tensor | None, eps: float) -> Tensor:
    """Return RMSNorm of ``x``, or ``x`` itself where there is no weight."""
    return x_TF if weight_F is None else F.rms_norm(x_TF, weight_F.shape, weight_F, eps)


def norm_back(g_TF: Tensor, x_TF: Tensor, weight_F: Tensor | None, eps: float) -> Tensor:
    """Return the gradient of ``x`` from that of its norm.

    With r = (mean x² + eps)^-½ and h = g · weight: r · (h - x · r² · mean(h · x)).
    """
    if weight_F is None:
        return g_TF
    r_T1 = x_TF.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
    h_TF = g_TF * weight_F
    mean_T1 = (h_TF * x_TF).mean(-1, keepdim=True)
    return torch.addcmul(h_TF, x_TF, r_T1.square() * mean_T1, value=-1).mul_(r_T1)
