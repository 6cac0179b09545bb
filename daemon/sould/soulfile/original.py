"""The soul of the original engine, read and written: ``w_state.{i}`` and ``meta_config``.

``w_state.{i}`` is F32 (1, D/4, D/4), one a layer. ``meta_config`` is U32: hidden size D,
layers, and in all but the oldest files the level, high word first. No fingerprint, no
checksum: only the sizes say whether a body fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sould.durable import replace_file
from sould.errors import SoulInvalid, SoulMismatch, StorageError
from sould.soulfile.container import Entry, length_of, parse_header, take, write_header
from sould.soulfile.header import reading
from sould.soulfile.jsontext import Unsound
from sould.soulfile.layout import table
from sould.soulfile.limits import MAX_FILE_BYTES, MAX_LEVEL, MAX_NORM
from sould.soulfile.recognise import Kind, kind_of
from sould.soulfile.record import SoulRecord

_CONFIG = "meta_config"


@dataclass(frozen=True, kw_only=True)
class OriginalSoul:
    """``w_states``: of each layer, (hidden_dim/4, hidden_dim/4) f32, read-only."""

    w_states: tuple[NDArray[np.float32], ...]
    hidden_dim: int
    n_layers: int
    level: int


def read_original(path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> OriginalSoul:
    """Return a soul of the original engine, sizes and numbers checked.

    Raises:
        SoulMissing: no such file.
        SoulInvalid: of another kind, or unsound; the message says why.
    """
    with reading(path) as file:
        header = parse_header(file, max_bytes)
        kind = kind_of(header.metadata, header.tensors)
        if kind is not Kind.ORIGINAL:
            raise SoulInvalid(f"{path}: is {kind.what}, not a soul of the original engine")
        data = take(file, header.data_bytes)
        hidden_dim, n_layers, level = _config(header.tensors[_CONFIG], data)
        states = _states(header.tensors, hidden_dim, n_layers, data)
    return OriginalSoul(w_states=states, hidden_dim=hidden_dim, n_layers=n_layers, level=level)


def write_original(path: Path, soul: SoulRecord) -> None:
    """Write a soul of ours as the original engine reads it; but for the level, metadata are lost.

    Raises:
        SoulMismatch: it is not one square state a layer, of a quarter of the body's width.
        StorageError: the old file, if any, is still there.
    """
    meta, dims = soul.meta, soul.meta.dims
    side = dims.d_model // 4
    if (dims.state_rows, dims.state_cols) != (side, side) or not soul.tensors:
        raise SoulMismatch(
            f"soul '{meta.name}' is of a {meta.family} body, and holds no states that the original "
            "engine knows",
            "only souls of bodies of the rule 'reconstruct' that have read something do",
        )
    words = [dims.d_model, dims.n_layers, meta.level >> 32, meta.level & 0xFFFFFFFF]
    names = [f"w_state.{i}" for i in range(dims.n_layers)]
    entries = table({name: (1, side, side) for name in names})
    end = max(entry.end for entry in entries.values())
    entries[_CONFIG] = Entry("U32", (4,), end, end + 16)
    text = write_header({}, entries)
    parts = [np.ascontiguousarray(soul.tensors[name]).data.cast("B") for name in names]
    try:
        config = np.asarray(words, "<u4").tobytes()
        replace_file(path, [length_of(text), text, *parts, config])
    except OSError as e:
        raise StorageError(f"{path} cannot be written: {e.strerror or e}") from e


def _config(entry: Entry, data: bytes) -> tuple[int, int, int]:
    if entry.dtype != "U32" or entry.shape not in ((2,), (4,)):
        raise Unsound(f"{_CONFIG}: is not U32 of 2 or 4")
    words = np.frombuffer(data, "<u4", entry.shape[0], entry.start).tolist()
    hidden_dim, n_layers = words[:2]
    level = words[2] << 32 | words[3] if len(words) == 4 else 0
    if hidden_dim == 0 or hidden_dim % 4:
        raise Unsound(f"{_CONFIG}: hidden size {hidden_dim} is not a multiple of 4")
    if level > MAX_LEVEL:
        raise Unsound(f"{_CONFIG}: level {level}, the limit is {MAX_LEVEL}")
    return hidden_dim, n_layers, level


def _states(
    tensors: Mapping[str, Entry], hidden_dim: int, n_layers: int, data: bytes
) -> tuple[NDArray[np.float32], ...]:
    if n_layers != len(tensors) - 1:
        raise Unsound(f"{_CONFIG}: {n_layers} layers, the file has {len(tensors) - 1}")
    side = hidden_dim // 4
    states = []
    for layer in range(n_layers):
        name = f"w_state.{layer}"
        entry = tensors.get(name)
        if entry is None or (entry.dtype, entry.shape) != ("F32", (1, side, side)):
            raise Unsound(f"tensor {name}: is missing, or not F32 of (1, {side}, {side})")
        state = np.frombuffer(data, "<f4", side * side, entry.start).reshape(side, side)
        with np.errstate(invalid="ignore"):
            norm = float(np.linalg.norm(state.astype(np.float64)))
        if not norm <= MAX_NORM:
            raise Unsound(f"tensor {name}: has the norm {norm:.4g}, the limit is {MAX_NORM:g}")
        states.append(state)
    return tuple(states)
