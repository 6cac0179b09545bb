"""The header of a GGUF file: metadata and where the tensors lie.

``gguf.GGUFReader`` makes an array object of every string of the vocabulary (1.6 s for 49k
tokens) and trusts the counts it finds; this reader takes the same header in 50 ms and checks
every length against the file. Types, block sizes and de-quantisation are the library's.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from gguf.constants import (
    GGML_QUANT_SIZES,
    GGUF_DEFAULT_ALIGNMENT,
    GGMLQuantizationType,
    GGUFValueType,
)

from sould.engine.formats.settings import Settings
from sould.engine.formats.stored import StoredTensor
from sould.errors import BodyInvalid

VERSIONS = (2, 3)
MAX_NAME_BYTES = 65535
MAX_DIMS = 4
MAX_ALIGNMENT = 1 << 20

_U32, _U64 = struct.Struct("<I"), struct.Struct("<Q")
_SCALARS: Final = {
    GGUFValueType.UINT8: struct.Struct("<B"),
    GGUFValueType.INT8: struct.Struct("<b"),
    GGUFValueType.UINT16: struct.Struct("<H"),
    GGUFValueType.INT16: struct.Struct("<h"),
    GGUFValueType.UINT32: _U32,
    GGUFValueType.INT32: struct.Struct("<i"),
    GGUFValueType.UINT64: _U64,
    GGUFValueType.INT64: struct.Struct("<q"),
    GGUFValueType.FLOAT32: struct.Struct("<f"),
    GGUFValueType.FLOAT64: struct.Struct("<d"),
    GGUFValueType.BOOL: struct.Struct("<?"),
}


@dataclass(frozen=True)
class GgufFile:
    """An opened header. Arrays of numbers are numpy arrays, arrays of texts are lists.

    ``spans``: the bytes of the file that hold each metadata value, for hashing.
    """

    path: Path
    metadata: Settings
    spans: dict[str, tuple[int, int]]
    tensors: dict[str, StoredTensor]

    def read_vector(self, name: str) -> tuple[float, ...]:
        """Return a small F32 tensor.

        Raises:
            BodyInvalid: it is of another type.
        """
        tensor = self.tensors[name]
        if tensor.dtype != "F32" or len(tensor.shape) != 1:
            raise self.metadata.fault(f"tensor {name!r} is {tensor.dtype}, expected a F32 vector")
        raw = np.fromfile(self.path, "<f4", count=tensor.shape[0], offset=tensor.offset)
        return tuple(raw.tolist())


def open_gguf(path: Path) -> GgufFile:
    """Read and check the header of ``path``.

    Raises:
        BodyInvalid: not a GGUF file, truncated, or something in it is out of bounds.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return _Parser(path, view).parse()
    except ValueError as e:  # mmap of an empty file
        raise BodyInvalid(f"{path}: is empty") from e
    except OSError as e:
        raise BodyInvalid(f"{path}: cannot be read ({e.strerror})") from e


class _Parser:
    """Walks the header once; ``at`` is the next byte."""

    def __init__(self, path: Path, view: mmap.mmap) -> None:
        self.path = path
        self.view = view
        self.size = len(view)
        self.at = 0
        self.readers: dict[int, Callable[[], Any]] = {
            GGUFValueType.STRING: self.text,
            GGUFValueType.ARRAY: self.array,
        }

    def parse(self) -> GgufFile:
        if self.take(4) != b"GGUF":
            raise self.fault("does not begin with GGUF: not a GGUF file")
        version = self.scalar(_U32)
        if version & 0xFFFF == 0:
            raise self.fault("is a big-endian GGUF; only little-endian ones are read")
        if version not in VERSIONS:
            raise self.fault(f"is GGUF version {version}, expected one of {VERSIONS}")
        n_tensors = self.count("tensors", item_bytes=8 + 4 + 4 + 8)
        n_values = self.count("metadata values", item_bytes=8 + 4 + 1)
        values: dict[str, Any] = {}
        spans: dict[str, tuple[int, int]] = {}
        for _ in range(n_values):
            key = self.name("metadata key")
            if key in values:
                raise self.fault(f"metadata key {key!r} occurs twice")
            start = self.at
            values[key] = self.value(self.scalar(_U32))
            spans[key] = (start, self.at)
        metadata = Settings(values, self.path)
        return GgufFile(self.path, metadata, spans, self.tensors(n_tensors, metadata))

    def value(self, kind: int) -> Any:
        reader = self.readers.get(kind)
        if reader is not None:
            return reader()
        return self.scalar(self.scalar_layout(kind))

    def array(self) -> Any:
        kind = self.scalar(_U32)
        if kind == GGUFValueType.STRING:
            return self.texts()
        layout = self.scalar_layout(kind)
        count = self.count("array items", item_bytes=layout.size)
        raw = self.take(count * layout.size)
        return np.frombuffer(raw, dtype=np.dtype(layout.format))

    def text(self) -> str:
        return self.decoded(self.take(self.count("characters", item_bytes=1)))

    def texts(self) -> list[str]:
        """Read an array of texts: the hot loop of opening a body (100k of them)."""
        count = self.count("texts", item_bytes=8)
        view, size, at = self.view, self.size, self.at
        length_at = _U64.unpack_from
        texts = []
        try:
            for _ in range(count):
                end = at + 8 + length_at(view, at)[0]
                if end > size:
                    raise self.fault(f"is truncated: a text at byte {at} ends beyond the file")
                texts.append(view[at + 8 : end].decode("utf-8"))
                at = end
        except struct.error as e:
            raise self.fault(f"is truncated at byte {at}, in a list of texts") from e
        except UnicodeDecodeError as e:
            raise self.fault(f"holds a text at byte {at} that is not UTF-8") from e
        self.at = at
        return texts

    def tensors(self, count: int, metadata: Settings) -> dict[str, StoredTensor]:
        heads = [self.tensor_head() for _ in range(count)]
        alignment = metadata.integer(
            "general.alignment", default=GGUF_DEFAULT_ALIGNMENT, low=1, high=MAX_ALIGNMENT
        )
        base = -(-self.at // alignment) * alignment
        tensors: dict[str, StoredTensor] = {}
        for name, shape, kind, offset in heads:
            if name in tensors:
                raise self.fault(f"tensor {name!r} occurs twice")
            if offset % alignment:
                raise self.fault(f"tensor {name!r} is at {offset}, not a multiple of {alignment}")
            nbytes = self.tensor_bytes(name, shape, kind)
            if base + offset + nbytes > self.size:
                raise self.fault(
                    f"is truncated: tensor {name!r} ends at byte {base + offset + nbytes}, "
                    f"the file at {self.size}"
                )
            tensors[name] = StoredTensor(name, kind.name, shape, self.path, base + offset, nbytes)
        return tensors

    def tensor_head(self) -> tuple[str, tuple[int, ...], GGMLQuantizationType, int]:
        name = self.name("tensor name")
        n_dims = self.scalar(_U32)
        if not 1 <= n_dims <= MAX_DIMS:
            raise self.fault(f"tensor {name!r} has {n_dims} dimensions, expected 1 to {MAX_DIMS}")
        dims = [self.scalar(_U64) for _ in range(n_dims)]
        code = self.scalar(_U32)
        try:
            kind = GGMLQuantizationType(code)
        except ValueError as e:
            raise self.fault(f"tensor {name!r} is of the unknown type {code}") from e
        return name, tuple(reversed(dims)), kind, self.scalar(_U64)

    def tensor_bytes(self, name: str, shape: tuple[int, ...], kind: GGMLQuantizationType) -> int:
        block, block_bytes = GGML_QUANT_SIZES[kind]
        if 0 in shape or shape[-1] % block:
            raise self.fault(
                f"tensor {name!r} has shape {shape}; {kind.name} needs rows of n×{block} weights"
            )
        return prod(shape) // block * block_bytes

    def take(self, size: int) -> bytes:
        if self.at + size > self.size:
            raise self.fault(f"is truncated: {size} bytes expected at byte {self.at}")
        raw = self.view[self.at : self.at + size]
        self.at += size
        return raw

    def scalar(self, layout: struct.Struct) -> Any:
        return layout.unpack(self.take(layout.size))[0]

    def scalar_layout(self, kind: int) -> struct.Struct:
        try:
            return _SCALARS[GGUFValueType(kind)]
        except (ValueError, KeyError) as e:
            raise self.fault(f"holds a value of type {kind}, which is not read") from e

    def count(self, what: str, *, item_bytes: int) -> int:
        """Read a count of things of at least ``item_bytes`` each, which must fit the file."""
        count = int(self.scalar(_U64))
        if count * item_bytes > self.size - self.at:
            raise self.fault(f"claims {count} {what}, more than the file has room for")
        return count

    def name(self, what: str) -> str:
        length = self.count(f"characters of a {what}", item_bytes=1)
        if length > MAX_NAME_BYTES:
            raise self.fault(f"has a {what} of {length} bytes, at most {MAX_NAME_BYTES} are read")
        return self.decoded(self.take(length))

    def decoded(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as e:
            raise self.fault(f"holds a text before byte {self.at} that is not UTF-8") from e

    def fault(self, message: str) -> BodyInvalid:
        return BodyInvalid(f"{self.path}: {message}")
