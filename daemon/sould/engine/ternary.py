"""Ternary matrices in memory, and the int8 that they are multiplied with (arXiv:2402.17764).

A row is an f32 scale and then 32 bytes for every 128 columns: bits 2l and 2l + 1 of byte j hold
column 32·l + j, as one more than the weight. Past the last column there are weights of 0.

Legend: R rows (out features), C columns (in features), T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from gguf import quants
from gguf.constants import GGMLQuantizationType
from torch import Tensor

from sould.engine.formats.ternary import CHUNK, CHUNK_BYTES, SCALE_BYTES, VALUES_PER_BYTE

SMALLEST = 1e-5  # what is divided by, as in the reference
LARGEST = 127.0
_ZEROS = 0x55  # four weights of 0
_LANES = CHUNK // VALUES_PER_BYTE
_WEIGHTS_AT_ONCE = 1 << 20

Bytes = npt.NDArray[np.uint8]


def pack(codes_RC: Tensor, scales_R: Tensor) -> Tensor:
    """Return packed rows of weights ``(codes - 1) · scales``; codes are uint8 from 0 to 2."""
    rows, cols = codes_RC.shape
    padded_RC = torch.nn.functional.pad(codes_RC, (0, -cols % CHUNK), value=1)
    lanes = padded_RC.view(rows, -1, VALUES_PER_BYTE, _LANES)
    packed = lanes[:, :, 0] | lanes[:, :, 1] << 2 | lanes[:, :, 2] << 4 | lanes[:, :, 3] << 6
    scale = scales_R.float().contiguous().view(torch.uint8).view(rows, SCALE_BYTES)
    return torch.cat([scale, packed.view(rows, -1)], dim=1)


def codes(data_RB: Tensor, cols: int) -> Tensor:
    """Return the codes of packed rows, (R, C) uint8."""
    packed = data_RB[:, SCALE_BYTES:].reshape(len(data_RB), -1, 1, CHUNK_BYTES)
    shifts = torch.tensor([0, 2, 4, 6], dtype=torch.uint8, device=data_RB.device)[:, None]
    return ((packed >> shifts) & 3).view(len(data_RB), -1)[:, :cols]


def signs(data_RB: Tensor, cols: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return -1, 0 and 1, (R, C)."""
    return codes(data_RB, cols).to(dtype) - 1


def scales(data_RB: Tensor) -> Tensor:
    """Return the scale of every packed row, (R,) f32: a copy."""
    return data_RB[:, :SCALE_BYTES].contiguous().view(torch.float32)[:, 0]


def rescale(data_RB: Tensor, factor: float) -> None:
    """Multiply the scales of packed rows, in place."""
    data_RB[:, :SCALE_BYTES] = (scales(data_RB) * factor)[:, None].view(torch.uint8)


def by_absmean(dense_RC: Tensor) -> Tensor:
    """Return what a matrix becomes in the forward pass of its training: scaled by the mean of its
    absolute values, rounded, and cut to -1, 0 and 1.
    """
    inverse = 1.0 / dense_RC.float().abs().mean().clamp_(min=SMALLEST)

    def packed(rows: slice) -> Tensor:
        signs_RC = (dense_RC[rows].float() * inverse).round_().clamp_(-1, 1)
        return pack(signs_RC.add_(1).to(torch.uint8), (1.0 / inverse).expand(len(signs_RC)))

    return torch.cat([packed(rows) for rows in _pieces(*dense_RC.shape)])


def from_transformers(raw: Bytes, rows: int, cols: int) -> Tensor | None:
    """Return rows of scale 1 of a checkpoint where byte (r, c) holds rows r, r + R/4, …, low bits
    first; None where a weight is not ternary.
    """
    four_QC, parts = torch.from_numpy(raw).view(-1, cols), []
    for quarter in range(VALUES_PER_BYTE):
        for some in _pieces(rows // VALUES_PER_BYTE, cols):
            codes_RC = (four_QC[some] >> 2 * quarter) & 3
            if bool((codes_RC > 2).any()):
                return None
            parts.append(pack(codes_RC, torch.ones(len(codes_RC))))
    return torch.cat(parts)


def from_gguf(raw: Bytes, dtype: str, rows: int, cols: int) -> Tensor | None:
    """Return the rows of a TQ1_0 or TQ2_0 matrix; None where a row has more than one scale."""
    raw_RB, parts = raw.reshape(rows, -1), []
    read = _from_tq2_0 if dtype == "TQ2_0" else _from_tq1_0
    for some in _pieces(rows, cols):
        part = read(raw_RB[some])
        if part is None:
            return None
        parts.append(part)
    return torch.cat(parts)


def _from_tq1_0(raw_RB: Bytes) -> Tensor | None:
    dense_RC = torch.from_numpy(quants.dequantize(raw_RB, GGMLQuantizationType.TQ1_0))
    scales_R1 = dense_RC.abs().amax(1, keepdim=True)
    if not bool(((dense_RC == 0) | (dense_RC.abs() == scales_R1)).all()):
        return None
    return pack((dense_RC.sign() + 1).to(torch.uint8), scales_R1[:, 0])


def _from_tq2_0(raw_RB: Bytes) -> Tensor | None:
    """Its blocks are two chunks of ours and an f16 scale, 0 where all weights are."""
    blocks = torch.from_numpy(raw_RB).view(len(raw_RB), -1, 66)
    packed = blocks[..., :64].clone()
    scale = blocks[..., 64:].contiguous().view(torch.float16)[..., 0].float()  # (R, blocks)
    row_scale = scale.gather(1, scale.abs().argmax(1, keepdim=True))
    has_three = bool(((packed & (packed >> 1) & _ZEROS) != 0).any())
    if has_three or not bool(((scale == 0) | (scale == row_scale)).all()):
        return None
    packed[scale == 0] = _ZEROS
    return torch.cat([row_scale.view(torch.uint8), packed.view(len(raw_RB), -1)], dim=1)


def _pieces(rows: int, cols: int) -> Iterator[slice]:
    """Yield rows after rows: what is made on the way to them stays small."""
    step = max(1, _WEIGHTS_AT_ONCE // cols)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def rounded(x_TC: Tensor) -> tuple[Tensor, Tensor]:
    """Return whole numbers from -128 to 127 for every token, (T, C), and what one is worth, (T, 1).

    All f32, whatever ``x`` is.
    """
    x_TC = x_TC.float()
    largest_T1 = x_TC.abs().amax(-1, keepdim=True).clamp_(min=SMALLEST)
    factor_T1 = largest_T1.reciprocal() * LARGEST  # in two steps, as in the reference
    whole_TC = (x_TC * factor_T1).round_().clamp_(-LARGEST - 1, LARGEST)
    return whole_TC, largest_T1 / LARGEST


def through_int8(x_TC: Tensor) -> Tensor:
    """Return ``x`` rounded to what int8 can say of it; its gradient passes straight through."""
    return cast(Tensor, _ThroughInt8.apply(x_TC))  # type: ignore[no-untyped-call]


class _ThroughInt8(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_TC: Tensor) -> Tensor:
        whole_TC, step_T1 = rounded(x_TC)
        return (whole_TC * step_T1).to(x_TC.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0]


def product(x_TC: Tensor, data_RB: Tensor, cols: int) -> Tensor:
    """Return rounded ``x`` times the transposed matrix, (T, R) f32: sums of whole numbers, exact,
    and one factor. The reference the compiled one equals bit by bit.
    """
    whole_TC, step_T1 = rounded(x_TC)
    sums_TR = whole_TC @ signs(data_RB, cols).T
    return sums_TR * (step_T1 * scales(data_RB))
