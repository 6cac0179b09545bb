"""Sums of ternary matrices in memory: w = Σ s·t over the bases of a weight.

A row is, for every GROUP of 64 columns, the f16 scales of its N bases and then twice, for 32
columns, 8 bytes for each base: bits 2l and 2l + 1 of byte j hold column 8·l + j, as one more than
t. Past the last column there are weights of 0. What is multiplied with such a matrix is not
rounded, unlike with a ternary one of BitNet: the body was not trained for that.

Legend: N bases, R rows (out features), C columns (in features), G groups of columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine.formats.bases import DIGITS, GROUP, LARGEST_BYTE, group_bytes, scales_shape

_ZERO = 1  # the code of a weight of 0
_LANES = 4  # codes of a byte
_ROW_WEIGHTS = 1 << 20  # of rows that are gone over at once

Bytes = npt.NDArray[np.uint8]


def pack(codes_NRC: Tensor, scales_NRG: Tensor) -> Tensor:
    """Return packed rows of weights Σ (codes - 1) · scales; codes are uint8 from 0 to 2."""
    n, rows, cols = codes_NRC.shape
    padded = F.pad(codes_NRC, (0, -cols % GROUP), value=_ZERO)
    lanes = padded.view(n, rows, -1, 2, _LANES, 8)
    packed = (
        lanes[..., 0, :] | lanes[..., 1, :] << 2 | lanes[..., 2, :] << 4 | lanes[..., 3, :] << 6
    )
    by_group = packed.permute(1, 2, 3, 0, 4).reshape(rows, -1, 16 * n)
    return torch.cat([_scale_bytes(scales_NRG), by_group], dim=-1).view(rows, -1)


def codes(data_RB: Tensor, n: int, cols: int) -> Tensor:
    """Return the codes of packed rows, (N, R, C) uint8."""
    groups = data_RB.view(len(data_RB), -1, group_bytes(n))
    packed = groups[..., 2 * n :].reshape(len(data_RB), -1, 2, n, 1, 8)
    shifts = torch.tensor([0, 2, 4, 6], dtype=torch.uint8, device=data_RB.device)[:, None]
    lanes = (packed >> shifts) & 3
    return lanes.permute(3, 0, 1, 2, 4, 5).reshape(n, len(data_RB), -1)[..., :cols]


def scales(data_RB: Tensor, n: int) -> Tensor:
    """Return the scales of packed rows, (N, R, G) f16: a copy."""
    groups = data_RB.view(len(data_RB), -1, group_bytes(n))
    return groups[..., : 2 * n].contiguous().view(torch.float16).permute(2, 0, 1)


def rescale(data_RB: Tensor, scales_NRG: Tensor) -> None:
    """Write the scales of packed rows, in place."""
    n = len(scales_NRG)
    groups = data_RB.view(len(data_RB), -1, group_bytes(n))
    groups[..., : 2 * n] = _scale_bytes(scales_NRG)


def _scale_bytes(scales_NRG: Tensor) -> Tensor:
    """Return the scales as bytes of f16, (R, G, 2N)."""
    turned_RGN = scales_NRG.to(torch.float16).permute(1, 2, 0)
    return turned_RGN.clone(memory_format=torch.contiguous_format).view(torch.uint8)


def dense(data_RB: Tensor, n: int, cols: int) -> Tensor:
    """Return the weights as f32 (R, C)."""
    all_codes, all_scales = codes(data_RB, n, cols), scales(data_RB, n).float()
    total = torch.zeros(len(data_RB), cols, device=data_RB.device)
    for codes_RC, scales_RG in zip(all_codes, all_scales, strict=True):
        signs = codes_RC.float().sub_(1)
        total += signs.mul_(scales_RG.repeat_interleave(GROUP, dim=1)[:, :cols])
    return total


def to_digits(codes_NRC: Tensor) -> Tensor:
    """Return codes as a file has them: five to a byte, (N, R, ⌈C/5⌉)."""
    n, rows, cols = codes_NRC.shape
    padded = F.pad(codes_NRC, (0, -cols % DIGITS), value=_ZERO).view(n, rows, -1, DIGITS)
    total = torch.zeros_like(padded[..., 0])
    for i in reversed(range(DIGITS)):
        total = total * 3 + padded[..., i]
    return total


def from_digits(raw: Bytes, n: int, rows: int, cols: int) -> Tensor | None:
    """Return the packed rows, their scales 0, of what a file has; None where a byte is no five
    digits.
    """
    if len(raw) and int(raw.max()) > LARGEST_BYTE:
        return None
    table = torch.tensor([[byte // 3**i % 3 for i in range(DIGITS)] for byte in range(256)])
    table = table.to(torch.uint8)
    bytes_NRB = torch.from_numpy(raw).view(n, rows, -1)
    step = max(1, _ROW_WEIGHTS // (n * cols))
    parts = []
    for start in range(0, rows, step):
        some = bytes_NRB[:, start : start + step]
        found = table[some.int()].view(n, some.shape[1], -1)[..., :cols]
        parts.append(pack(found.contiguous(), torch.zeros(scales_shape(n, some.shape[1], cols))))
    return torch.cat(parts)
