"""Weight matrices as they are held in memory: packed, and made dense only where needed.

Formats, all rows contiguous, blocks of 32 weights along the input:

==========  ===========================================================  ===========
``q4_1``    per block f16 scale d, f16 minimum m, 16 bytes of nibbles     w = d·q + m
            (byte j: weight j low, weight j+16 high)
``q8_0``    per block f16 scale d, 32 int8                                w = d·q
``ternary`` per row f32 scale d, 2 bits a weight (``ternary``)            w = d·(q - 1)
``bases1``  per 64 columns N f16 scales s, 2 bits a weight and base       w = Σ s·(q - 1)
… ``4``     (``bases``), 1 to 4 bases
``bf16``    torch.bfloat16
``f16``     torch.float16
``f32``     torch.float32
==========  ===========================================================  ===========

The two block formats are byte for byte those of GGUF, so a file can be mapped as it is. What
is multiplied with a ternary matrix is rounded to int8 first (``ternary.product``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sould.engine import bases, ternary

WeightFormat = Literal[
    "q4_1", "q8_0", "ternary", "bf16", "f16", "f32", "bases1", "bases2", "bases3", "bases4"
]

CPU = torch.device("cpu")
FLOATS: dict[torch.dtype, WeightFormat] = {
    torch.float32: "f32",
    torch.float16: "f16",
    torch.bfloat16: "bf16",
}
SCRATCH_WEIGHTS = 1 << 22  # unpacked at once: 16 MiB of f32
BLOCK = 32
BLOCK_BYTES: dict[str, int] = {"q4_1": 20, "q8_0": 34}
BASES: tuple[WeightFormat, ...] = ("bases1", "bases2", "bases3", "bases4")


@dataclass(frozen=True)
class Weight:
    """A matrix of shape (rows, cols) = (out features, in features).

    ``data``: uint8 (rows, cols/32 · block bytes) for block formats, uint8 (rows, row bytes) for
    ternary and sums of ternary ones, else the dtype (rows, cols).
    """

    format: WeightFormat
    data: Tensor
    rows: int
    cols: int

    @property
    def nbytes(self) -> int:
        return self.data.numel() * self.data.element_size()

    def part(self, rows: slice) -> Weight:
        """Return some rows, not copied. ``rows``: has a start and a stop within the matrix."""
        return Weight(self.format, self.data[rows], rows.stop - rows.start, self.cols)

    def dense(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the matrix as (rows, cols) of ``dtype``; the reference every kernel is held to."""
        if self.format == "q4_1":
            return _dense_q4_1(self.data, self.rows, self.cols).to(dtype)
        if self.format == "q8_0":
            return _dense_q8_0(self.data, self.rows, self.cols).to(dtype)
        if self.format == "ternary":
            signs = ternary.signs(self.data, self.cols)
            return signs.mul_(ternary.scales(self.data)[:, None]).to(dtype)
        if self.format in BASES:
            return bases.dense(self.data, count_bases(self.format), self.cols).to(dtype)
        return self.data.to(dtype)

    def unpacked(self, dtype: torch.dtype) -> Weight:
        """Return a matrix of blocks dense, to be held so, made in strips; another as it is."""
        if self.format not in BLOCK_BYTES:
            return self
        dense = torch.empty(self.rows, self.cols, dtype=dtype, device=self.data.device)
        step = max(1, SCRATCH_WEIGHTS // self.cols)
        for start in range(0, self.rows, step):
            rows = slice(start, min(start + step, self.rows))
            dense[rows] = self.part(rows).dense(dtype)
        return Weight(FLOATS[dtype], dense, self.rows, self.cols)

    def gather(self, ids_T: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return the rows ``ids_T`` dense, (T, cols): an embedding look-up."""
        return Weight(self.format, self.data[ids_T], ids_T.numel(), self.cols).dense(dtype)


def count_bases(format: WeightFormat) -> int:
    """Return the bases of a weight in one of the formats ``BASES``."""
    return BASES.index(format) + 1


def _dense_q4_1(data: Tensor, rows: int, cols: int) -> Tensor:
    blocks = data.view(rows, cols // BLOCK, BLOCK_BYTES["q4_1"])
    d = blocks[..., 0:2].contiguous().view(torch.float16).float()
    m = blocks[..., 2:4].contiguous().view(torch.float16).float()
    nibbles = blocks[..., 4:]
    q = torch.cat([nibbles & 15, nibbles >> 4], dim=-1).float()
    return (q * d + m).view(rows, cols)


def _dense_q8_0(data: Tensor, rows: int, cols: int) -> Tensor:
    blocks = data.view(rows, cols // BLOCK, BLOCK_BYTES["q8_0"])
    d = blocks[..., 0:2].contiguous().view(torch.float16).float()
    q = blocks[..., 2:].contiguous().view(torch.int8).float()
    return (q * d).view(rows, cols)


@dataclass(frozen=True, kw_only=True)
class LayerWeights:
    """One transformer layer. Vectors are f32; biases, q/k norms and sub-norms may be absent."""

    attn_norm: Tensor
    q: Weight
    k: Weight
    v: Weight
    o: Weight
    mlp_norm: Tensor
    gate: Weight
    up: Weight
    down: Weight
    q_bias: Tensor | None = None
    k_bias: Tensor | None = None
    v_bias: Tensor | None = None
    o_bias: Tensor | None = None
    gate_bias: Tensor | None = None
    up_bias: Tensor | None = None
    down_bias: Tensor | None = None
    q_norm: Tensor | None = None
    k_norm: Tensor | None = None
    attn_sub_norm: Tensor | None = None
    mlp_sub_norm: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class BodyWeights:
    """All of a body's weights; ``head`` is ``embed`` itself when the spec says tied.

    ``notes``: what was changed on reading (types no kernel reads), to be logged.
    """

    embed: Weight
    layers: tuple[LayerWeights, ...]
    final_norm: Tensor
    head: Weight
    notes: tuple[str, ...] = ()
