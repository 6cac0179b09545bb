"""A whole soul file, weights included: read, written, verified."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sould.errors import SoulInvalid, SoulMismatch
from sould.soulfile.container import Entry, parse_header, take
from sould.soulfile.header import MAX_FAULTS, check_header, invalid, reading, require_body
from sould.soulfile.layout import is_scope, is_state, largest_bytes, may_be_half, table
from sould.soulfile.limits import MAX_FILE_BYTES, MAX_NORM
from sould.soulfile.meta import BodyShape, SoulMeta
from sould.soulfile.seal import seal_fault
from sould.soulfile.writing import header_text, require_none, seal_file

Weights = Mapping[str, NDArray[np.float32]]

_DTYPES = {"F32": "<f4", "F16": "<f2"}


@dataclass(frozen=True)
class SoulRecord:
    """A soul. ``tensors``: as ``layout.tensor_shapes`` names them, f32, however they are stored."""

    meta: SoulMeta
    tensors: Weights


@dataclass(frozen=True, kw_only=True)
class Report:
    """What :func:`verify` found; without ``faults`` the file is sound."""

    path: Path
    meta: SoulMeta | None
    faults: tuple[str, ...]


@dataclass
class _Found:
    meta: SoulMeta | None = None
    tensors: Weights | None = None


def read(
    path: Path, *, expect: BodyShape | None = None, max_bytes: int = MAX_FILE_BYTES
) -> SoulRecord:
    """Return a soul, all of it checked, or raise. The arrays are writable.

    A soul for the body ``expect`` may be larger than ``max_bytes``, as far as its sizes ask
    for it.

    Raises:
        SoulMissing: no such file.
        SoulInvalid: no soul of ours, damaged or unsound; the message says why.
        SoulMismatch: sound, but not grown on ``expect``.
    """
    found = _Found()
    with reading(path) as file:
        faults = _examine(file, _limit(expect, max_bytes), found)
    if faults:
        raise invalid(path, faults)
    assert found.meta is not None and found.tensors is not None
    if expect is not None:
        require_body(found.meta, expect)
    return SoulRecord(found.meta, found.tensors)


def verify(
    path: Path, *, expect: BodyShape | None = None, max_bytes: int = MAX_FILE_BYTES
) -> Report:
    """Make every check of :func:`read`, and say of each fault what it is.

    Raises:
        SoulMissing: no such file.
    """
    found, faults = _Found(), list[str]()
    try:
        with reading(path) as file:
            faults += _examine(file, _limit(expect, max_bytes), found)
        if found.meta and expect:
            require_body(found.meta, expect)
    except (SoulInvalid, SoulMismatch) as e:
        faults.append(str(e).removeprefix(f"{path}: "))
    return Report(path=path, meta=found.meta, faults=tuple(faults))


def write(path: Path, record: SoulRecord) -> SoulMeta:
    """Write a soul file whole or not at all, and durably; return its metadata, now sealed.

    Whatever is written can be read: the same checks are made before anything is touched. Of the
    slow part, what 16 bits hold exactly is stored in 16 bits.

    Raises:
        SoulInvalid: not finite, over the cap, or not what a soul must be.
        StorageError: the old file, if any, is still there.
    """
    meta, tensors = record.meta, record.tensors
    require_none(meta.name, _dtype_faults(tensors))
    halves = _halves(tensors)
    entries = table({name: tensors[name].shape for name in sorted(tensors)}, halves)
    text = header_text(meta, entries)
    require_none(meta.name, weight_faults(tensors))
    stored = {**tensors, **halves}
    parts = [np.ascontiguousarray(stored[name]).data.cast("B") for name in entries]
    return seal_file(path, meta, text, lambda: parts)


def weight_faults(tensors: Weights) -> Iterator[str]:
    """Yield each A, B, B·A, scope or state that is not finite or whose norm is over the cap."""
    for name, norm in _all_norms(tensors):
        if not math.isfinite(norm):
            yield f"tensor {name}: has a number that is not finite"
        elif norm > MAX_NORM:
            yield f"tensor {name}: has the norm {norm:.4g}, the limit is {MAX_NORM:g}"


def _all_norms(tensors: Weights) -> Iterator[tuple[str, float]]:
    """Yield the norm of each A, B, B·A, scope and state, by a name for it."""
    for name in sorted(tensors):
        if is_state(name) or is_scope(name):
            with np.errstate(invalid="ignore"):  # never over a yield: who asks may stop there
                norm = float(np.linalg.norm(tensors[name].astype(np.float64)))
            yield name, norm
        elif name.endswith(".A"):
            stem = name[:-1]
            norms = _norms(tensors[name], tensors[f"{stem}B"])
            yield from zip((f"{stem}A", f"{stem}B", f"{stem}B·A"), norms, strict=True)


def _norms(a_RI: NDArray[np.float32], b_OR: NDArray[np.float32]) -> list[float]:
    """Return ‖A‖, ‖B‖ and ‖B·A‖, Frobenius, in f64: by the Gram matrices, ‖B·A‖² = Σ AAᵀ ⊙ BᵀB."""
    with np.errstate(invalid="ignore"):
        a, b = a_RI.astype(np.float64), b_OR.astype(np.float64)
        gram_a, gram_b = a @ a.T, b.T @ b
        squares = (gram_a.trace(), gram_b.trace(), max((gram_a * gram_b).sum(), 0.0))
    return [math.sqrt(square) for square in squares]


def _limit(expect: BodyShape | None, max_bytes: int) -> int:
    return max(max_bytes, largest_bytes(expect.dims)) if expect else max_bytes


def _examine(file: BufferedReader, max_bytes: int, found: _Found) -> list[str]:
    """Fill in what of a file is sound, and return its faults.

    Raises:
        Unsound: it is no safetensors file.
    """
    header = parse_header(file, max_bytes)
    found.meta, faults = check_header(header)
    if found.meta is None or faults:
        return faults
    data = bytearray(take(file, header.data_bytes))  # writable, for who goes on learning
    if fault := seal_fault(header.text, found.meta.sha256, [data]):
        faults.append(fault)
    found.tensors = {name: _array(data, entry) for name, entry in header.tensors.items()}
    return [*faults, *islice(weight_faults(found.tensors), MAX_FAULTS)]


def _array(data: bytearray, entry: Entry) -> NDArray[np.float32]:
    """Return a tensor of a file: a view of its data if it is F32 and aligned, else a copy."""
    dtype = np.dtype(_DTYPES[entry.dtype])
    array = np.frombuffer(data, dtype, math.prod(entry.shape), entry.start).reshape(entry.shape)
    return array.astype("<f4", copy=not array.flags.aligned)


def _halves(tensors: Weights) -> dict[str, NDArray[np.float16]]:
    """Return in f16 what may be stored so, and is the same."""
    found = {}
    for name, array in tensors.items():
        if may_be_half(name):
            with np.errstate(over="ignore"):
                half = array.astype("<f2")
            if np.array_equal(half, array):
                found[name] = half
    return found


def _dtype_faults(tensors: Weights) -> Iterator[str]:
    for name in sorted(tensors):
        if tensors[name].dtype != np.dtype("<f4"):
            yield f"tensor {name}: is {tensors[name].dtype}, only float32 is allowed"
