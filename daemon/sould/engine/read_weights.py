"""Read a body's weights: as the file has them where their layout is one of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sould.engine import bases, ternary
from sould.engine.arena import Arena
from sould.engine.bodies import FAMILIES
from sould.engine.bodyfile import BodyFile
from sould.engine.formats import bases as stored_bases
from sould.engine.formats.stored import StoredTensor
from sould.engine.formats.ternary import GGUF_TYPES, PACKED
from sould.engine.formats.ternary import MATRICES as TERNARY_MATRICES
from sould.engine.repack import repack
from sould.engine.spec import BodySpec
from sould.engine.weights import (
    BASES,
    BLOCK_BYTES,
    FLOATS,
    BodyWeights,
    LayerWeights,
    Weight,
    WeightFormat,
)
from sould.errors import BodyInvalid

_DENSE: dict[str, torch.dtype] = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
_WINDOW_BYTES = 16 << 20
_PACKED: dict[str, WeightFormat] = {"Q4_1": "q4_1", "Q8_0": "q8_0"}


def read_weights(
    body: BodyFile,
    *,
    dtype: torch.dtype | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> BodyWeights:
    """Return the weights of ``body``, on the CPU.

    ``dtype``: what floating-point matrices are held as; None keeps the file's. Packed ones
    stay packed, vectors become f32. The file is not needed once they are read.
    ``on_progress`` gets bytes done and bytes in all, after every tensor.

    Raises:
        BodyInvalid: the file was cut since it was opened, or a scale or vector is not finite.
    """
    reader = _Reader(body, dtype)
    total = sum(tensor.nbytes for tensor in body.tensors.values())
    done = 0
    read: dict[str, Any] = {}
    in_order = sorted(body.tensors.items(), key=lambda one: (one[1].file, one[1].offset))
    for role, tensor in in_order:
        read[role] = reader.read(role, tensor)
        done += tensor.nbytes
        on_progress(done, total)
    layers = []
    for i in range(body.spec.n_layers):
        prefix = f"layers.{i}."
        parts = {r.removeprefix(prefix): v for r, v in read.items() if r.startswith(prefix)}
        if body.spec.ternary in ("scale", "inverse_scale"):
            parts = _scaled(body, parts, prefix)
        if body.spec.bases:
            parts = _with_scales(parts)
        layers.append(LayerWeights(**parts))
    return BodyWeights(
        embed=read["embed"],
        layers=tuple(layers),
        final_norm=read["final_norm"],
        head=read.get("head", read["embed"]),
        notes=tuple(f"{n} × {word}" for word, n in reader.changes.items()),
    )


def ternary_formats(tensors: Iterable[StoredTensor]) -> list[WeightFormat]:
    """Return which ternary formats matrices of a body will be held in; the headers tell."""
    found: dict[WeightFormat, None] = {}
    for tensor in tensors:
        if tensor.dtype == stored_bases.PACKED:
            found[BASES[tensor.bases - 1]] = None
        elif tensor.is_ternary:
            found["ternary"] = None
    return list(found)


class _Reader:
    """Reads tensors one by one, in the order of the file, and counts what it changed.

    They are parts of ``window``, a piece of ``file`` from ``start`` on: large pieces of memory
    are quicker to come by than many small ones.
    """

    def __init__(self, body: BodyFile, dtype: torch.dtype | None) -> None:
        self.dtype = dtype
        self.changes: Counter[str] = Counter()
        self.arena = Arena()
        self.file: Path | None = None
        self.start = 0
        self.window = np.empty(0, np.uint8)
        is_interleaved = body.format == "gguf" and FAMILIES[body.family].gguf_rows_interleaved
        self.row_orders = _row_orders(body.spec) if is_interleaved else {}

    def read(self, role: str, tensor: StoredTensor) -> Weight | Tensor:
        part = role.rsplit(".", 1)[-1]
        order = self.row_orders.get(part)
        if len(tensor.shape) == 1:
            vector = self._dense(tensor).float().clone()  # a view would keep all of its window
            if not bool(vector.isfinite().all()):
                raise BodyInvalid(f"{tensor.file}: tensor {tensor.name!r} is not finite")
            return vector if order is None else vector[order]
        if tensor.dtype == stored_bases.SCALES:
            return self._scales(tensor)
        weight = self._matrix(tensor)
        if order is None:
            return weight
        return Weight(weight.format, weight.data[order], weight.rows, weight.cols)

    def _matrix(self, tensor: StoredTensor) -> Weight:
        rows, cols = tensor.shape
        if tensor.dtype == stored_bases.PACKED:
            return self._bases(tensor, rows, cols)
        if tensor.is_ternary:
            weight = self._ternary(tensor, rows, cols)
            if weight is not None:
                return weight
        if tensor.dtype in _DENSE:
            data = self._dense(tensor)
            data = data if self.dtype is None else data.to(self.dtype)
            return Weight(FLOATS[data.dtype], data, rows, cols)
        if tensor.dtype in _PACKED:
            data = torch.from_numpy(self._bytes(tensor)).view(rows, -1)
            weight = Weight(_PACKED[tensor.dtype], data, rows, cols)
        else:
            weight, change = repack(self._bytes(tensor), tensor.dtype, rows, cols)
            self.changes[f"{tensor.dtype} {change}"] += 1
        if not _scales_are_finite(weight):
            raise BodyInvalid(f"{tensor.file}: a scale of tensor {tensor.name!r} is not finite")
        return weight

    def _ternary(self, tensor: StoredTensor, rows: int, cols: int) -> Weight | None:
        """Return a matrix packed; None where one of GGUF is not what ternary ones here are."""
        if tensor.dtype == PACKED:
            data = ternary.from_transformers(self._bytes(tensor), rows, cols)
            if data is None:
                raise BodyInvalid(
                    f"{tensor.file}: tensor {tensor.name!r} holds a weight that is not -1, 0 or 1"
                )
        elif tensor.dtype in GGUF_TYPES:
            data = ternary.from_gguf(self._bytes(tensor), tensor.dtype, rows, cols)
            if data is None:
                return None
        else:
            data = ternary.by_absmean(self._dense(tensor))
            self.changes[f"{tensor.dtype} held as ternary, scaled by their mean"] += 1
        if not bool(ternary.scales(data).isfinite().all()):
            raise BodyInvalid(f"{tensor.file}: a weight of tensor {tensor.name!r} is not finite")
        return Weight("ternary", self.arena.keep(data), rows, cols)

    def _bases(self, tensor: StoredTensor, rows: int, cols: int) -> Weight:
        """Return a matrix whose scales are still to come."""
        data = bases.from_digits(self._bytes(tensor), tensor.bases, rows, cols)
        if data is None:
            raise BodyInvalid(
                f"{tensor.file}: tensor {tensor.name!r} holds a byte above "
                f"{stored_bases.LARGEST_BYTE}, which is no five ternary weights"
            )
        return Weight(BASES[tensor.bases - 1], self.arena.keep(data), rows, cols)

    def _scales(self, tensor: StoredTensor) -> Tensor:
        """Return the scales of a matrix, (N, R, G) f16: a copy."""
        raw = self._bytes(tensor).copy()
        scales_NRG = torch.from_numpy(raw).view(torch.float16).view(tensor.shape)
        if not bool(scales_NRG.isfinite().all()):
            raise BodyInvalid(f"{tensor.file}: a scale of tensor {tensor.name!r} is not finite")
        return scales_NRG

    def _dense(self, tensor: StoredTensor) -> Tensor:
        dtype = _DENSE[tensor.dtype]
        raw = self._bytes(tensor)
        if raw.ctypes.data % dtype.itemsize:
            raw = raw.copy()
        return torch.from_numpy(raw).view(dtype).view(tensor.shape)

    def _bytes(self, tensor: StoredTensor) -> npt.NDArray[np.uint8]:
        """Return the bytes of a tensor, in memory of our own: what is mapped would change, or be
        gone, when somebody writes over the file while the body is in use.
        """
        end = tensor.offset + tensor.nbytes
        if self.file != tensor.file or end > self.start + len(self.window):
            self.file, self.start = tensor.file, tensor.offset
            size = max(tensor.nbytes, _WINDOW_BYTES)
            self.window = np.fromfile(tensor.file, np.uint8, size, offset=tensor.offset)
        raw = self.window[tensor.offset - self.start : end - self.start]
        if len(raw) < tensor.nbytes:
            raise BodyInvalid(f"{tensor.file}: was cut short while it was read")
        return raw


def _row_orders(spec: BodySpec) -> dict[str, Tensor]:
    """Return, for q and k, which row of a GGUF file comes where: (2i, 2i+1) → (i, i + half)."""

    def order(n_heads: int) -> Tensor:
        rows = torch.arange(n_heads * spec.head_dim)
        return rows.view(n_heads, spec.head_dim // 2, 2).transpose(1, 2).reshape(-1)

    q, k = order(spec.n_heads), order(spec.n_kv_heads)
    return {"q": q, "q_bias": q, "k": k, "k_bias": k}


def _scaled(body: BodyFile, parts: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the parts of a layer, the scales that lay beside its matrices put into them.

    A scale to multiply by is one of the bias too: so the reference computes it.
    """
    form = body.spec.ternary
    for role in TERNARY_MATRICES:
        weight, scale = parts[role], float(parts.pop(f"{role}_{form}")[0])
        if form == "inverse_scale" and scale == 0:
            name = body.tensors[f"{prefix}{role}_{form}"].name
            raise BodyInvalid(f"{body.path}: tensor {name!r} is 0, and is divided by")
        ternary.rescale(weight.data, scale if form == "scale" else 1 / scale)
        if form == "scale" and f"{role}_bias" in parts:
            parts[f"{role}_bias"] = parts[f"{role}_bias"] * scale
    return parts


def _with_scales(parts: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a layer, the scales that lay beside its matrices put into them."""
    for role in TERNARY_MATRICES:
        bases.rescale(parts[role].data, parts.pop(role + stored_bases.SCALES_SUFFIX))
    return parts


def _scales_are_finite(weight: Weight) -> bool:
    n_scale_bytes = {"q4_1": 4, "q8_0": 2}[weight.format]
    blocks = weight.data.view(-1, BLOCK_BYTES[weight.format])
    scales = blocks[:, :n_scale_bytes].contiguous().view(torch.float16)
    return bool(scales.isfinite().all())
