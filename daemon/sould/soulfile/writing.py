"""Soul files written whole from the bytes of their weights, which nobody looks at: no numpy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from sould.durable import replace_file
from sould.errors import SoulInvalid, StorageError
from sould.soulfile.container import Entry, length_of, write_header
from sould.soulfile.header import chunks, reading, sealed
from sould.soulfile.journal import JournalEntry
from sould.soulfile.layout import is_fast, table, table_faults
from sould.soulfile.limits import MAX_HEADER_BYTES
from sould.soulfile.meta import SoulMeta, decode, encode
from sould.soulfile.seal import NO_SEAL, apply, digest

Parts = Iterable[bytes | memoryview]


def restamp(source: Path, target: Path, meta: SoulMeta) -> SoulMeta:
    """Write the weights of a soul file under other metadata, sealed anew; return that.

    Raises:
        SoulMissing, SoulInvalid: ``source`` is not there, or not sound, or ``meta`` is not.
        StorageError: the old ``target``, if any, is still there.
    """
    with reading(source) as file:
        _, header = sealed(source, file)
        start = file.tell() - header.data_bytes
        text = header_text(meta, header.tensors)
        return seal_file(target, meta, text, lambda: _span(file, start, header.data_bytes))


def restamp_learned(source: Path, target: Path, meta: SoulMeta, entry: JournalEntry) -> SoulMeta:
    """Write a soul file as :func:`restamp`, with the fast part that its journal holds.

    Raises:
        SoulMissing, SoulInvalid, StorageError: as :func:`restamp`.
    """
    fast = dict(zip(entry.shapes, entry.data, strict=True))
    with reading(source) as file:
        _, header = sealed(source, file)
        start = file.tell() - header.data_bytes
        slow = {name: e for name, e in header.tensors.items() if not is_fast(name)}
        shapes = {name: e.shape for name, e in slow.items()} | dict(entry.shapes)
        names = sorted(shapes)

        def parts() -> Iterator[bytes | memoryview]:
            for name in names:
                if name in fast:
                    yield fast[name]
                else:
                    at = slow[name]
                    yield from _span(file, start + at.start, at.end - at.start)

        halves = {name for name, e in slow.items() if e.dtype == "F16"}
        text = header_text(meta, table({name: shapes[name] for name in names}, halves))
        return seal_file(target, meta, text, parts)


def write_empty(path: Path, meta: SoulMeta) -> SoulMeta:
    """Write a soul that has learned nothing: without tensors; return its metadata, sealed.

    Raises:
        SoulInvalid: ``meta`` is not sound.
        StorageError: the old file, if any, is still there.
    """
    return seal_file(path, meta, header_text(meta, {}), lambda: [])


def header_text(meta: SoulMeta, tensors: Mapping[str, Entry]) -> bytes:
    """Return the header of a soul, checked, with its seal still open.

    Raises:
        SoulInvalid: it could not be read again.
    """
    metadata = encode(dataclasses.replace(meta, sha256=NO_SEAL))
    require_none(meta.name, decode(metadata)[1])
    require_none(meta.name, table_faults(meta.dims, tensors))
    text = write_header(metadata, tensors)
    if len(text) > MAX_HEADER_BYTES:
        fault = f"the header has {len(text)} bytes, the limit is {MAX_HEADER_BYTES}"
        require_none(meta.name, [fault])
    return text


def require_none(name: str, faults: Iterable[str]) -> None:
    """Let nothing be written that has faults.

    Raises:
        SoulInvalid: with the first of them.
    """
    for fault in islice(faults, 1):
        raise SoulInvalid(f"soul {name!a} is not written: {fault}")


def seal_file(path: Path, meta: SoulMeta, text: bytes, data: Callable[[], Parts]) -> SoulMeta:
    """Seal a file and write it whole or not at all, durably; return the metadata, sealed.

    ``text``: of :func:`header_text`. ``data`` is called twice: for the seal and to be written.

    Raises:
        StorageError: the old file, if any, is still there.
    """
    sha256 = digest(text, NO_SEAL, data())
    try:
        replace_file(path, chain([length_of(text), apply(text, sha256)], data()))
    except OSError as e:
        raise StorageError(
            f"soul '{meta.name}' is not saved: {path} cannot be written: {e.strerror or e}",
            "what was saved before is still there; make room on the disk and save again",
        ) from e
    return dataclasses.replace(meta, sha256=sha256)


def _span(file: BinaryIO, start: int, count: int) -> Iterator[bytes]:
    file.seek(start)
    yield from chunks(file, count)
