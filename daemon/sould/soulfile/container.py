"""The safetensors container: its header parsed and written, without numpy.

A file is the length of the header (8 bytes, little-endian), the header (JSON, padded with
spaces) and the data. The library is not used here: its reader passes duplicate keys over and
knows no bounds, its writer orders metadata differently each time. Tests hold us to it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from sould.soulfile import limits
from sould.soulfile.jsontext import Unsound, parse, shown

LENGTH_BYTES = 8

_ALIGNMENT = 8
_MAX_AXES = 8
_KEY_CHARS = 256
_DEPTH = 4
_DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A tensor of a header; ``start`` and ``end`` are bytes of the data."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """A sound header. ``text``: as it lies in the file, padding included."""

    text: bytes
    metadata: Mapping[str, str]
    tensors: Mapping[str, Entry]
    data_bytes: int


def parse_header(file: BinaryIO, max_bytes: int | None = None) -> Header:
    """Read the header of a safetensors file and leave the file at its data.

    ``max_bytes``: of the whole file, for who means to read it.

    Raises:
        Unsound: too large, truncated, not JSON, or the tensors do not cover the data exactly.
    """
    size = os.fstat(file.fileno()).st_size
    if max_bytes is not None and size > max_bytes:
        raise Unsound(f"has {size} bytes, the limit is {max_bytes}")
    length = int.from_bytes(take(file, LENGTH_BYTES), "little")
    if length > limits.MAX_HEADER_BYTES:
        raise Unsound(f"has a header of {length} bytes, the limit is {limits.MAX_HEADER_BYTES}")
    return decode_header(take(file, length), size - LENGTH_BYTES - length)


def decode_header(text: bytes, data_bytes: int) -> Header:
    """Return a header from its text; ``data_bytes``: what lies behind it.

    Raises:
        Unsound: not JSON, or the tensors do not cover the data exactly.
    """
    metadata, tensors = _decode(text)
    _check_cover(tensors, data_bytes)
    return Header(text=text, metadata=metadata, tensors=tensors, data_bytes=data_bytes)


def write_header(metadata: Mapping[str, str], tensors: Mapping[str, Entry]) -> bytes:
    """Return the text of a header, padded so that the data is aligned; always the same."""
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    for name, entry in tensors.items():
        entries[name] = {
            "dtype": entry.dtype,
            "shape": entry.shape,
            "data_offsets": (entry.start, entry.end),
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % _ALIGNMENT)


def length_of(text: bytes) -> bytes:
    """Return what precedes a header in the file."""
    return len(text).to_bytes(LENGTH_BYTES, "little")


def take(file: BinaryIO, count: int) -> bytes:
    """Read ``count`` bytes, not fewer.

    Raises:
        Unsound: the file ends before.
    """
    data = file.read(count)
    if len(data) != count:
        raise Unsound("is truncated, or no safetensors file")
    return data


def _decode(text: bytes) -> tuple[dict[str, str], dict[str, Entry]]:
    if not text.startswith(b"{"):
        raise Unsound("is no safetensors file: the header does not begin with '{'")
    try:
        items = 16 * limits.MAX_TENSORS
        found = parse(text.decode(), depth=_DEPTH, items=items, key_chars=_KEY_CHARS)
    except UnicodeDecodeError as e:
        raise Unsound("the header is no UTF-8") from e
    except Unsound as e:
        raise Unsound(f"the header {e}") from e
    metadata = found.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise Unsound("metadata: is not text to text")
    if len(found) > limits.MAX_TENSORS:
        raise Unsound(f"has {len(found)} tensors, the limit is {limits.MAX_TENSORS}")
    return metadata, {name: _entry(name, value) for name, value in found.items()}


def _entry(name: str, value: Any) -> Entry:
    match value:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [start, end]} if (
            len(value) == 3
            and len(shape) <= _MAX_AXES
            and all(type(n) is int and n >= 0 for n in (*shape, start, end))
        ):
            bits = _DTYPE_BITS.get(dtype)
            if bits is None:
                raise Unsound(f"tensor {shown(name)}: unknown dtype {shown(dtype)!r}")
            if math.prod(shape) * bits != 8 * (end - start):
                raise Unsound(f"tensor {shown(name)}: its shape is not that of its bytes")
            return Entry(dtype, tuple(shape), start, end)
    raise Unsound(f"tensor {shown(name)}: is not a dtype, a shape and two offsets")


def _check_cover(tensors: Mapping[str, Entry], data_bytes: int) -> None:
    at = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != at:
            how = "overlaps another" if entry.start < at else "has a hole before it"
            raise Unsound(f"tensor {shown(name)}: {how}")
        at = entry.end
    if at != data_bytes:
        how = "truncated" if at > data_bytes else "too long"
        raise Unsound(f"is {how}: {data_bytes} bytes of data, the header describes {at}")
