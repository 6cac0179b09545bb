"""Try the programs on random matrices, against the torch reference on the CPU.

What a compiler made wrong would not crash, it would talk nonsense. The cuts of a large body are
all tried, so what is compiled here is compiled before the first reply.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from sould.engine import ternary
from sould.engine.kernel.build import KernelUnavailable
from sould.engine.kernel.selftest import random_weight
from sould.engine.triton_kernel.launch import MATVEC_TOKENS, TILES, TritonKernel
from sould.engine.triton_kernel.layout import GpuWeight
from sould.engine.weights import Weight, WeightFormat

SHAPE = (80, 1296)  # rows and columns that no block fits
TOLERANCE = 1e-4  # products are of size 1


def check(kernel: TritonKernel, formats: Iterable[WeightFormat]) -> None:
    """Compare products, few tokens and many, and dense matrices.

    Raises:
        KernelUnavailable: they differ: of a ternary matrix by a bit, of a sum of such by more than
            a rounding.
    """
    lengths = sorted({1, MATVEC_TOKENS, *(tokens + 1 for tokens, _, _ in TILES[:-1]), TILES[0][0]})
    for format in formats:
        weight = random_weight(format, *SHAPE, seed=0)
        mine = kernel.take(_moved(weight, kernel.device))
        assert isinstance(mine, GpuWeight)
        if not torch.equal(mine.dense().cpu(), weight.dense()):
            raise _computes_wrongly(format, "unpacked")
        for tokens in lengths:
            x_TC = torch.randn(tokens, weight.cols, generator=torch.Generator().manual_seed(tokens))
            got_TR = kernel.product(x_TC.to(kernel.device), mine).cpu()
            if not _is_near(got_TR, x_TC, weight):
                raise _computes_wrongly(format, f"multiplied with {tokens} tokens")


def _is_near(got_TR: Tensor, x_TC: Tensor, weight: Weight) -> bool:
    if weight.format == "ternary":
        return torch.equal(got_TR, ternary.product(x_TC, weight.data, weight.cols))
    return torch.allclose(got_TR, x_TC @ weight.dense().T, atol=TOLERANCE, rtol=0)


def _moved(weight: Weight, device: torch.device) -> Weight:
    return Weight(weight.format, weight.data.to(device), weight.rows, weight.cols)


def _computes_wrongly(format: str, how: str) -> KernelUnavailable:
    return KernelUnavailable(
        f"the Triton kernel computes wrongly: a {format} matrix {how} is off",
        "try another version of triton, or set body.kernel: torch",
    )
