"""Bring the other quantised GGUF types into the two that the kernels read.

=============  ======  ==============================================================
Q4_0           q4_1    exact: d·(q - 8) = d·q + (-8·d)
Q4_K           q4_1    scale and minimum of each 32 weights rounded to f16
all others     q8_0    de-quantised by ``gguf``, then rounded to 8 bits
=============  ======  ==============================================================
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from gguf import quants
from gguf.constants import GGMLQuantizationType

from sould.engine.weights import BLOCK, BLOCK_BYTES, Weight

_ROWS_AT_ONCE_WEIGHTS = 1 << 22  # bounds the f32 copy in between to 16 MiB

Bytes = npt.NDArray[np.uint8]


def repack(raw: Bytes, dtype: str, rows: int, cols: int) -> tuple[Weight, str]:
    """Return the matrix in a format of ours and a word on what that changed.

    ``raw``: the bytes of (rows, cols) weights of the GGML type ``dtype``.
    """
    if dtype == "Q4_0":
        return _weight("q4_1", _from_q4_0(raw), rows, cols), "held as q4_1, exactly"
    if dtype == "Q4_K":
        return _weight("q4_1", _from_q4_k(raw), rows, cols), "held as q4_1, scales rounded to f16"
    packed = _through_f32(raw.reshape(rows, -1), GGMLQuantizationType[dtype], cols)
    return _weight("q8_0", packed, rows, cols), "held as q8_0, rounded once more"


def _weight(format: str, blocks: Bytes, rows: int, cols: int) -> Weight:
    data = torch.from_numpy(blocks).view(rows, cols // BLOCK * BLOCK_BYTES[format])
    return Weight("q4_1" if format == "q4_1" else "q8_0", data, rows, cols)


def _from_q4_0(raw: Bytes) -> Bytes:
    """Q4_0 blocks are f16 d and 16 bytes of nibbles, ordered as in q4_1."""
    blocks = raw.reshape(-1, 18)
    d = blocks[:, :2].copy().view(np.float16)
    return np.concatenate([blocks[:, :2], (d * np.float16(-8)).view(np.uint8), blocks[:, 2:]], 1)


def _from_q4_k(raw: Bytes) -> Bytes:
    """Q4_K super-blocks are f16 d and dmin, 12 bytes of 6-bit scales, 128 bytes of nibbles.

    Of each 32 bytes of nibbles the low ones are one run of 32 weights, the high ones the next.
    """
    blocks = raw.reshape(-1, 144)
    d = blocks[:, 0:2].copy().view(np.float16).astype(np.float32)
    d_min = blocks[:, 2:4].copy().view(np.float16).astype(np.float32)
    scales, mins = quants.Q4_K.get_scale_min(blocks[:, 4:16].copy())
    nibbles = blocks[:, 16:].reshape(-1, 4, 1, BLOCK)
    q = np.concatenate([nibbles & 15, nibbles >> 4], axis=2).reshape(-1, 8, BLOCK)
    out = np.empty((len(blocks), 8, BLOCK_BYTES["q4_1"]), np.uint8)
    out[..., 0:2] = (d * scales).astype(np.float16)[..., None].view(np.uint8)
    out[..., 2:4] = (-d_min * mins).astype(np.float16)[..., None].view(np.uint8)
    out[..., 4:] = q[..., :16] | (q[..., 16:] << 4)
    return out


def _through_f32(raw_RB: Bytes, kind: GGMLQuantizationType, cols: int) -> Bytes:
    step = max(1, _ROWS_AT_ONCE_WEIGHTS // cols)
    parts = [
        quants.quantize(
            quants.dequantize(raw_RB[start : start + step], kind), GGMLQuantizationType.Q8_0
        )
        for start in range(0, len(raw_RB), step)
    ]
    return np.concatenate(parts)
