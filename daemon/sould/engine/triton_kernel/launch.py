"""Products with ternary matrices in GPU memory: which program runs, on what grid, with what blocks.

Legend: T tokens, R rows (out features), C columns (in features), W words of a row and base.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from sould.engine.triton_kernel import layout, programs
from sould.engine.triton_kernel.layout import GROUP_WORDS, WORD_CODES, GpuWeight
from sould.engine.weights import Weight

MATVEC_TOKENS = 4  # for more, tiles; or a dense product with what is made dense strip by strip
STRIP_WEIGHTS = 1 << 24  # made dense at once: 32 MiB of bf16
TILES = ((16, 64, 4), (64, 64, 4), (128, 128, 8))  # tokens, rows, warps; the last for any number
WARP = 32
VECTOR_WORDS = 4  # 16 bytes: the widest load of a thread
WARPS = 4
ROUNDED_AT_ONCE = 4096
ORDERED_AT_ONCE = 1024
DENSE_BLOCK = (4, 512)


@dataclass(frozen=True)
class Rows:
    """How a matrix–vector product is cut: rows and words of a block, and its warps."""

    rows: int
    words: int
    warps: int = WARPS


def rows_of(n_rows: int, n_words: int, processors: int) -> Rows:
    """Return how to cut a product with one token: as many rows to a block as leave every
    processor two blocks. Fewer rows, and more threads share one: a row is split over its columns.
    """
    n = 16
    while n > 1 and n_rows < 2 * processors * n:
        n //= 2
    threads = WARPS * WARP
    words = min(max(threads * VECTOR_WORDS // n, 64), triton.next_power_of_2(n_words))
    return Rows(n, words)


class TritonKernel:
    """The programs for one device, a GPU, or the CPU where Triton interprets them.

    ``is_ptx``: the device takes instructions of NVIDIA's. Used by one thread.
    """

    def __init__(self, device: torch.device, *, processors: int, is_ptx: bool) -> None:
        self.device = device
        self._processors = processors
        self._is_ptx = is_ptx

    def take(self, weight: Weight) -> Weight:
        """Return a ternary matrix as it is multiplied with here, others as they are."""
        if weight.format not in layout.FORMATS or weight.data.device != self.device:
            return weight
        return weight if isinstance(weight, GpuWeight) else layout.arranged(weight, self)

    def product(self, x_TC: Tensor, weight: GpuWeight) -> Tensor:
        """Return x · weightᵀ, (T, R) of x's dtype: what is multiplied with a ternary matrix is
        rounded to int8, as in ``ternary.product``, with a sum of such it is not.

        Differentiable in x: a rounding is then as if it were not there.
        """
        if torch.is_grad_enabled() and x_TC.requires_grad:
            return cast(Tensor, _Product.apply(x_TC, weight, self))  # type: ignore[no-untyped-call]
        return self.forward(x_TC, weight)

    def forward(self, x_TC: Tensor, weight: GpuWeight) -> Tensor:
        """Return :meth:`product` without gradients."""
        _check(x_TC, weight, weight.cols)
        if not len(x_TC):
            return x_TC.new_empty(0, weight.rows)
        if weight.format == "ternary":
            return self._ternary(x_TC.contiguous(), weight)
        if len(x_TC) <= MATVEC_TOKENS:
            return self._bases(x_TC.contiguous(), weight)
        y_TR = x_TC.new_empty(len(x_TC), weight.rows)
        for rows, part in _strips(weight):
            torch.mm(x_TC, part.dense(x_TC.dtype).T, out=y_TR[:, rows])
        return y_TR

    def back(self, y_TR: Tensor, weight: GpuWeight) -> Tensor:
        """Return y · weight, (T, C) of y's dtype."""
        _check(y_TR, weight, weight.rows)
        parts = [y_TR[:, rows] @ part.dense(y_TR.dtype) for rows, part in _strips(weight)]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)

    def dense(self, weight: GpuWeight, dtype: torch.dtype) -> Tensor:
        """Return the matrix unpacked, (R, C)."""
        out_RC = torch.empty(weight.rows, weight.cols, dtype=dtype, device=self.device)
        rows, cols = DENSE_BLOCK
        grid = (triton.cdiv(weight.rows, rows), triton.cdiv(weight.cols, cols))
        code_bytes = weight.data.view(torch.uint8)
        arguments = (code_bytes, weight.scales, out_RC, weight.rows, weight.cols)
        blocks = {"BLOCK_R": rows, "BLOCK_C": cols}
        if weight.format == "ternary":
            self._run(programs.ternary_dense, grid, *arguments, 4 * weight.words, **blocks)
        else:
            groups = weight.words // GROUP_WORDS
            self._run(programs.bases_dense, grid, *arguments, groups, N=weight.n, **blocks)
        return out_RC

    def rounded(self, x_TC: Tensor, words: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return int8 whole numbers, (T, 16 W); their sums, (T,) int32; what one is worth, (T,)."""
        tokens, cols = x_TC.shape
        whole_TC = x_TC.new_empty(tokens, WORD_CODES * words, dtype=torch.int8)
        sum_T = x_TC.new_empty(tokens, dtype=torch.int32)
        step_T = x_TC.new_empty(tokens, dtype=torch.float32)
        padded = whole_TC.shape[1]
        self._run(
            programs.round_rows,
            (tokens,),
            *(x_TC, whole_TC, sum_T, step_T, cols, padded),
            BLOCK=ROUNDED_AT_ONCE,
            num_warps=8,
        )
        return whole_TC, sum_T, step_T

    def matvec(
        self, rounded: Sequence[Tensor], weight: GpuWeight, dtype: torch.dtype, cut: Rows
    ) -> Tensor:
        """Return the product of rounded tokens, a block for some rows and a token."""
        whole_TC, sum_T, step_T = rounded
        y_TR = step_T.new_empty(len(step_T), weight.rows, dtype=dtype)
        self._run(
            programs.ternary_matvec,
            (triton.cdiv(weight.rows, cut.rows), len(step_T)),
            *(whole_TC.view(torch.int32), sum_T, step_T, weight.data, weight.scales, y_TR),
            weight.rows,
            WORDS=weight.words,
            BLOCK_R=cut.rows,
            BLOCK_W=cut.words,
            IS_PTX=self._is_ptx,
            num_warps=cut.warps,
        )
        return y_TR

    def ordered(self, x_TC: Tensor, words: int) -> Tensor:
        """Return tokens in the order of the codes of a sum of ternary matrices, f32 (T, 16, W)."""
        tokens, cols = x_TC.shape
        out_TKW = x_TC.new_empty(tokens, WORD_CODES, words, dtype=torch.float32)
        grid = (tokens, triton.cdiv(WORD_CODES * words, ORDERED_AT_ONCE))
        arguments = (x_TC, out_TKW, cols, words)
        self._run(programs.order_rows, grid, *arguments, BLOCK=ORDERED_AT_ONCE)
        return out_TKW

    def bases_matvec(
        self, x_TKW: Tensor, weight: GpuWeight, dtype: torch.dtype, cut: Rows
    ) -> Tensor:
        """Return the product of tokens in the order of codes, a block for some rows and a token."""
        y_TR = x_TKW.new_empty(len(x_TKW), weight.rows, dtype=dtype)
        self._run(
            programs.bases_matvec,
            (triton.cdiv(weight.rows, cut.rows), len(x_TKW)),
            *(x_TKW, weight.data, weight.scales, y_TR, weight.rows),
            N=weight.n,
            WORDS=weight.words,
            BLOCK_R=cut.rows,
            BLOCK_W=cut.words,
            num_warps=cut.warps,
            enable_fp_fusion=True,
        )
        return y_TR

    def cut(self, weight: GpuWeight) -> Rows:
        return rows_of(weight.rows, weight.words, self._processors)

    def _bases(self, x_TC: Tensor, weight: GpuWeight) -> Tensor:
        x_TKW = self.ordered(x_TC, weight.words)
        return self.bases_matvec(x_TKW, weight, x_TC.dtype, self.cut(weight))

    def _ternary(self, x_TC: Tensor, weight: GpuWeight) -> Tensor:
        rounded = self.rounded(x_TC, weight.words)
        if len(x_TC) <= MATVEC_TOKENS:
            return self.matvec(rounded, weight, x_TC.dtype, self.cut(weight))
        return self._tiles(rounded, weight, x_TC.dtype)

    def _tiles(self, rounded: Sequence[Tensor], weight: GpuWeight, dtype: torch.dtype) -> Tensor:
        whole_TC, sum_T, step_T = rounded
        tokens = len(step_T)
        y_TR = step_T.new_empty(tokens, weight.rows, dtype=dtype)
        block_T, block_R, warps = next((t for t in TILES if tokens <= t[0]), TILES[-1])
        self._run(
            programs.ternary_tiles,
            (triton.cdiv(weight.rows, block_R), triton.cdiv(tokens, block_T)),
            *(whole_TC, sum_T, step_T, weight.data.view(torch.uint8), weight.scales, y_TR),
            *(tokens, weight.rows, 4 * weight.words),
            BLOCK_T=block_T,
            BLOCK_R=block_R,
            BLOCK_B=64,
            IS_PTX=self._is_ptx,
            num_warps=warps,
        )
        return y_TR

    def _run(self, program: Any, grid: tuple[int, ...], *arguments: Any, **options: Any) -> None:
        """Start a program. Triton starts it on the device that is the current one."""
        is_cuda = self.device.type == "cuda"
        options = {"enable_fp_fusion": False} | options  # a fused product and sum rounds once
        with torch.cuda.device(self.device) if is_cuda else nullcontext():
            program[grid](*arguments, **options)


class _Product(torch.autograd.Function):
    """Nothing dense is kept for the way back."""

    @staticmethod
    def forward(ctx: Any, x_TC: Tensor, weight: GpuWeight, kernel: TritonKernel) -> Tensor:
        ctx.weight, ctx.kernel = weight, kernel
        return kernel.forward(x_TC, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return ctx.kernel.back(grads[0], ctx.weight), None, None


def _strips(weight: GpuWeight) -> list[tuple[slice, GpuWeight]]:
    step = max(1, STRIP_WEIGHTS // weight.cols)
    starts = range(0, weight.rows, step)
    slices = [slice(start, min(start + step, weight.rows)) for start in starts]
    return [(rows, weight.part(rows)) for rows in slices]


def _check(x: Tensor, weight: GpuWeight, n_in: int) -> None:
    """Refuse what a program would read beyond."""
    if x.dim() != 2 or x.shape[1] != n_in or x.device != weight.data.device:
        raise ValueError(
            f"found {tuple(x.shape)} on {x.device}; a matrix of {weight.rows} x {weight.cols} on "
            f"{weight.data.device} needs {n_in} columns there"
        )
