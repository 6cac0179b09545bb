"""The journal beside a soul's generations: what was learned after the newest, as it is learned.

A line that names the generation by its seal, then entries. Each holds the state after something
was learned, so that only the last sound one counts; what is torn or damaged behind it is cut
off. FORMAT.md is the format in words. Needs no numpy.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from sould.durable import replace_file
from sould.errors import SoulInvalid, StorageError
from sould.soulfile.container import LENGTH_BYTES, decode_header, length_of, write_header
from sould.soulfile.jsontext import Unsound, shown
from sould.soulfile.layout import is_fast, table
from sould.soulfile.limits import MAX_ENTRY_BYTES, MAX_HEADER_BYTES, MAX_JOURNAL_BYTES
from sould.soulfile.meta import level_of
from sould.soulfile.taught import pack, unpack

MAGIC = "bit-ttt-journal 1"

_LINE = re.compile(rf"{MAGIC} ([0-9a-f]{{64}})\n".encode())
_LINE_BYTES = len(MAGIC) + 66
_LENGTH = struct.Struct("<QI")  # of the payload, and its CRC-32
_CHECK = struct.Struct("<I")  # CRC-32 of the two
_FRAME_BYTES = _LENGTH.size + _CHECK.size


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """The state after something was learned.

    ``taught``: every record learned since the generation. ``shapes``: of the fast part, as
    ``layout.tensor_shapes`` names it, in the order of ``data``: f32, little-endian; both are
    empty while the fast part is.
    """

    taught: frozenset[str]
    level: int
    shapes: Mapping[str, tuple[int, int]]
    data: Sequence[bytes | memoryview]


@dataclass(frozen=True, kw_only=True)
class JournalRead:
    """What a journal holds. ``after``: the seal of the generation that it follows.

    ``entry``: the last sound one of ``entries``. ``cut_bytes``: behind it, torn or damaged,
    and gone now.
    """

    after: str
    entry: JournalEntry | None
    entries: int
    cut_bytes: int


@dataclass(frozen=True)
class _Frame:
    start: int
    end: int
    crc: int


class Journal:
    """The journal at ``path``; one process and thread writes it."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_JOURNAL_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._after = ""  # as it was begun or read here

    def begin(self, after: str) -> None:
        """Put an empty journal in place of the old one, bound to the generation of this seal.

        Raises:
            StorageError: the old journal, if any, is still there.
        """
        try:
            replace_file(self.path, [_line(after)])
        except OSError as e:
            raise self._not_written(e) from e
        self._after = after

    def append(self, entry: JournalEntry) -> int:
        """Add an entry durably; return the size of the journal now, in bytes.

        A journal that would grow beyond ``MAX_JOURNAL_BYTES`` keeps this entry alone.

        Raises:
            StorageError: the entries before are still there, and nothing behind them; or there
                is no journal, or one of another generation than was begun or read here.
            SoulInvalid: the entry is over ``MAX_ENTRY_BYTES``.
        """
        parts = _framed(entry)
        length = sum(len(part) for part in parts)
        try:
            with self.path.open("r+b", buffering=0) as file:
                after = self._require_ours(file)
                end = _ends(_frames(file, MAX_ENTRY_BYTES))
                if end == _LINE_BYTES or end + length <= self._max_bytes:
                    _write_at(file, end, parts)
                    return end + length
            replace_file(self.path, [_line(after), *parts])
        except OSError as e:
            raise self._not_written(e) from e
        return _LINE_BYTES + length

    def read(self, *, max_bytes: int = MAX_ENTRY_BYTES) -> JournalRead | None:
        """Return what the journal holds, None if there is none; cut off what is not sound.

        An entry of more than ``max_bytes`` is not sound. The arrays of the entry's ``data``
        are writable and share a buffer.

        Raises:
            StorageError: it cannot be read, or not be cut.
        """
        try:
            if not self.path.is_file():  # a pipe would wait
                return None
            with self.path.open("r+b", buffering=0) as file:
                after = _after(file)
                if after is None:
                    return None
                found = _read(file, after, max_bytes)
        except OSError as e:
            raise StorageError(f"{self.path} cannot be read: {e.strerror or e}") from e
        self._after = after
        return found

    def _require_ours(self, file: FileIO) -> str:
        after = _after(file)
        if after is None:
            raise StorageError(f"{self.path} is no journal")
        if self._after and after != self._after:
            raise StorageError(
                f"{self.path} follows generation {after[:12]}…, not {self._after[:12]}…"
            )
        return after

    def _not_written(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.path} cannot be written: {error.strerror or error}",
            "what it held before is still there; make room on the disk",
        )


def _line(after: str) -> bytes:
    line = f"{MAGIC} {after}\n".encode()
    assert _LINE.fullmatch(line), after
    return line


def _after(file: BinaryIO | FileIO) -> str | None:
    match = _LINE.fullmatch(file.read(_LINE_BYTES) or b"")
    return match[1].decode() if match else None


def _framed(entry: JournalEntry) -> list[bytes | memoryview]:
    """Return an entry as it is written.

    Raises:
        SoulInvalid: it is too large.
    """
    sizes = [4 * math.prod(shape) for shape in entry.shapes.values()]
    data: list[memoryview] = [memoryview(part).cast("B") for part in entry.data]
    assert sizes == [part.nbytes for part in data]
    metadata = {"level": str(entry.level), "taught": pack(entry.taught)}
    text = write_header(metadata, table(entry.shapes))
    payload: list[bytes | memoryview] = [length_of(text), text, *data]
    length, crc = sum(len(part) for part in payload), 0
    if length > MAX_ENTRY_BYTES or len(text) > MAX_HEADER_BYTES:
        raise SoulInvalid(
            f"a journal entry of {length} bytes, {len(text)} of them header, is not written; the "
            f"limits are {MAX_ENTRY_BYTES} and {MAX_HEADER_BYTES}"
        )
    for part in payload:
        crc = zlib.crc32(part, crc)
    head = _LENGTH.pack(length, crc)
    return [head + _CHECK.pack(zlib.crc32(head)), *payload]


def _frames(file: FileIO, max_bytes: int) -> list[_Frame]:
    """Return the entries that lie one behind the other, their payloads unread."""
    size, at, found = os.fstat(file.fileno()).st_size, _LINE_BYTES, list[_Frame]()
    while at + _FRAME_BYTES <= size:
        file.seek(at)
        head = file.read(_FRAME_BYTES) or b""
        if len(head) != _FRAME_BYTES:
            break
        length, crc = _LENGTH.unpack_from(head)
        (check,) = _CHECK.unpack_from(head, _LENGTH.size)
        start = at + _FRAME_BYTES
        is_sound = check == zlib.crc32(head[: _LENGTH.size])
        if not is_sound or length > min(max_bytes, size - start):
            break
        at = start + length
        found.append(_Frame(start, at, crc))
    return found


def _ends(frames: Sequence[_Frame]) -> int:
    return frames[-1].end if frames else _LINE_BYTES


def _read(file: FileIO, after: str, max_bytes: int) -> JournalRead:
    frames, entry = _frames(file, max_bytes), None
    while frames and entry is None:
        try:
            entry = _decoded(_payload(file, frames[-1]))
        except Unsound:
            frames.pop()
    cut_bytes = os.fstat(file.fileno()).st_size - _ends(frames)
    if cut_bytes:
        _cut(file, _ends(frames))
    return JournalRead(after=after, entry=entry, entries=len(frames), cut_bytes=cut_bytes)


def _payload(file: FileIO, frame: _Frame) -> bytearray:
    payload = bytearray(frame.end - frame.start)
    view, at = memoryview(payload), 0
    file.seek(frame.start)
    while at < len(payload) and (count := file.readinto(view[at:])):
        at += count
    if at != len(payload) or zlib.crc32(payload) != frame.crc:
        raise Unsound("is damaged")
    return payload


def _decoded(payload: bytearray) -> JournalEntry:
    """Return the entry of a payload: a safetensors file in itself.

    Raises:
        Unsound: it is none.
    """
    length = int.from_bytes(payload[:LENGTH_BYTES], "little")
    start = LENGTH_BYTES + length
    if not length <= MAX_HEADER_BYTES or start > len(payload):
        raise Unsound(f"has a header of {length} bytes")
    header = decode_header(bytes(payload[LENGTH_BYTES:start]), len(payload) - start)
    if header.metadata.keys() != {"level", "taught"}:
        raise Unsound("metadata: is not level and taught")
    data = memoryview(payload)[start:]
    shapes: dict[str, tuple[int, int]] = {}
    for name, entry in header.tensors.items():
        match entry.dtype, entry.shape:
            case "F32", (rows, columns) if is_fast(name):
                shapes[name] = (rows, columns)
            case _:
                raise Unsound(f"tensor {shown(name)}: is no F32 matrix of the fast part")
    return JournalEntry(
        taught=unpack(header.metadata["taught"]),
        level=level_of(header.metadata["level"]),
        shapes=shapes,
        data=[data[entry.start : entry.end] for entry in header.tensors.values()],
    )


def _write_at(file: FileIO, end: int, parts: Sequence[bytes | memoryview]) -> None:
    try:
        file.truncate(end)  # nothing torn before what follows
        file.seek(end)
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[file.write(view) :]
        os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            _cut(file, end)
        raise


def _cut(file: FileIO, end: int) -> None:
    file.truncate(end)
    os.fsync(file.fileno())
