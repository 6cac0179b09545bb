"""The original engine's ``.bitt``: config, tokenizer and weights in one file.

``BITT``, the length of the header (u64, little-endian), the header (a JSON object with ``config``
and ``tokenizer``, each an object, the tokenizer in some files a text), a safetensors file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sould.engine.formats.settings import MAX_JSON_BYTES
from sould.engine.formats.stored import StoredTensor
from sould.errors import BodyInvalid
from sould.soulfile.container import LENGTH_BYTES, Header, decode_header, take
from sould.soulfile.jsontext import Unsound
from sould.soulfile.limits import MAX_HEADER_BYTES

MAGIC = b"BITT"
_COPY_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class BittFile:
    """An opened header; nothing of the weights is read. ``start``: where the safetensors begins."""

    config: Mapping[str, Any]
    tokenizer: Mapping[str, Any]
    tensors: dict[str, StoredTensor]
    start: int


def open_bitt(path: Path) -> BittFile:
    """Open a ``.bitt``, checked to be consistent.

    Raises:
        BodyInvalid: names the file and what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            header = _header(file)
            start = file.tell()
            weights, base = _weights(file, start)
            config, tokenizer = (_object(header, key) for key in ("config", "tokenizer"))
    except Unsound as e:
        raise BodyInvalid(f"{path}: {e}") from e
    except OSError as e:
        raise BodyInvalid(f"{path}: cannot be read ({e.strerror or e})") from e
    tensors = {
        name: StoredTensor(name, e.dtype, e.shape, path, base + e.start, e.end - e.start)
        for name, e in weights.tensors.items()
    }
    return BittFile(config=config, tokenizer=tokenizer, tensors=tensors, start=start)


def bitt_parts(
    config: Mapping[str, Any], tokenizer: Mapping[str, Any], weights: Iterable[bytes]
) -> Iterator[bytes]:
    """Yield a ``.bitt`` piece by piece; ``weights``: the bytes of a safetensors file."""
    header = json.dumps({"config": config, "tokenizer": tokenizer}, ensure_ascii=False).encode()
    yield MAGIC + len(header).to_bytes(LENGTH_BYTES, "little") + header
    yield from weights


def weight_bytes(path: Path, start: int = 0, count: int | None = None) -> Iterator[bytes]:
    """Yield a file from ``start`` on, or ``count`` bytes of it.

    Raises:
        OSError: it cannot be read, or was cut short since it was opened.
    """
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size - start if count is None else count
        file.seek(start)
        while left and (piece := file.read(min(left, _COPY_BYTES))):
            left -= len(piece)
            yield piece
    if left:
        raise OSError(f"{path} was cut short while it was read")


def _header(file: BinaryIO) -> dict[str, Any]:
    if take(file, len(MAGIC)) != MAGIC:
        raise Unsound("does not begin with BITT")
    length = int.from_bytes(take(file, LENGTH_BYTES), "little")
    if length > MAX_JSON_BYTES:
        raise Unsound(f"has a header of {length} bytes, at most {MAX_JSON_BYTES} are read")
    return _parsed(take(file, length), "the header")


def _weights(file: BinaryIO, start: int) -> tuple[Header, int]:
    """Return the header of the safetensors that begins here, and where its data do."""
    length = int.from_bytes(take(file, LENGTH_BYTES), "little")
    if length > MAX_HEADER_BYTES:
        raise Unsound(f"has weights with a header of {length} bytes, at most {MAX_HEADER_BYTES}")
    text = take(file, length)
    base = start + LENGTH_BYTES + length
    return decode_header(text, os.fstat(file.fileno()).st_size - base), base


def _object(header: dict[str, Any], key: str) -> dict[str, Any]:
    """Return an object of the header, which may be there as the text of one."""
    value = header.get(key)
    if isinstance(value, str):
        return _parsed(value.encode(), f"its {key}")
    if not isinstance(value, dict):
        raise Unsound(f"the header has no {key!r}")
    return value


def _parsed(text: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as e:  # of UTF-8, of JSON, or of numbers in it
        raise Unsound(f"{what} is no JSON") from e
    if not isinstance(value, dict):
        raise Unsound(f"{what} is no JSON object")
    return value
