"""Ternary matrices as the GPU reads them: words of codes, and scales apart from them.

The codes are those of ``sould.engine.ternary`` and ``sould.engine.bases``, byte for byte. There a
row begins with its scale, and every group of columns with its scales; here the codes of a row, of
one base after the other, lie one behind the other, so that a thread can load 16 bytes of them. It
takes the same memory.

Legend: N bases, R rows (out features), C columns (in features), G groups of columns, W words of a
row and base.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sould.engine import bases, ternary
from sould.engine.formats.bases import GROUP, group_bytes
from sould.engine.formats.ternary import SCALE_BYTES
from sould.engine.weights import BASES, Weight, count_bases

FORMATS = ("ternary", *BASES)
WORD_CODES = 16  # 2 bits each
GROUP_WORDS = GROUP // WORD_CODES


class Unpacker(Protocol):
    """What makes a matrix dense."""

    def dense(self, weight: GpuWeight, dtype: torch.dtype) -> Tensor: ...


@dataclass(frozen=True)
class GpuWeight(Weight):
    """A matrix whose ``data`` are int32 words, (R, N·W), on the device of ``unpacker``.

    ``scales``: f32 (R,) of a ternary one, f16 (R, N·G) of a sum of N. Rows cannot be gathered.
    """

    scales: Tensor
    unpacker: Unpacker

    @property
    def n(self) -> int:
        return 1 if self.format == "ternary" else count_bases(self.format)

    @property
    def words(self) -> int:
        """W: words of a row and base."""
        return self.data.shape[1] // self.n

    @property
    def nbytes(self) -> int:
        return super().nbytes + self.scales.numel() * self.scales.element_size()

    def part(self, rows: slice) -> GpuWeight:
        data, scales, size = self.data[rows], self.scales[rows], rows.stop - rows.start
        return GpuWeight(self.format, data, size, self.cols, scales, self.unpacker)

    def dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        return self.unpacker.dense(self, dtype)

    def gather(self, ids_T: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        raise NotImplementedError("an embedding is never ternary")


def arranged(weight: Weight, unpacker: Unpacker) -> GpuWeight:
    """Return a ternary matrix, or a sum of such, as the GPU reads it, on the device it is on."""
    if weight.format == "ternary":
        data = weight.data[:, SCALE_BYTES:]
        scales = ternary.scales(weight.data).clone()
    else:
        n = count_bases(weight.format)
        groups_RGB = weight.data.view(weight.rows, -1, group_bytes(n))
        halves = groups_RGB[..., 2 * n :].reshape(weight.rows, -1, 2, n, 8)
        data = halves.permute(0, 3, 1, 2, 4).reshape(weight.rows, -1)
        scales = bases.scales(weight.data, n).transpose(0, 1).reshape(weight.rows, -1).clone()
    aligned = data.clone(memory_format=torch.contiguous_format)  # also where it is one row
    words = aligned.view(torch.int32)
    return GpuWeight(weight.format, words, weight.rows, weight.cols, scales, unpacker)
