"""Open a chat log: recognised by what is in it, unpacked within limits, read piece by piece."""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from soul_client.wire import ChatLogKind
from sould.chats import chatgpt, jsonlines
from sould.chats.jsonlines import Line
from sould.chats.limits import MAX_LINE_BYTES, MAX_MEMBERS, MAX_RATIO, MAX_READ_BYTES
from sould.chats.message import Message, Tally
from sould.chats.times import time_of
from sould.errors import BadRequest, NotFound, TooLarge

OnRead = Callable[[int, int], None]
"""Called with the bytes read so far, and in all."""

_CHUNK_BYTES = 1 << 20
_LOOKED_AT = 1000  # lines; the first ones may be damaged
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_BOM = b"\xef\xbb\xbf"
_HEAD_BYTES = 4096
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CONVERSATIONS = re.compile(r"(?:[^/]+/)*conversations(?:-\d{1,6})?\.json")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KNOWN = (
    "known are the data export of ChatGPT (its zip or conversations.json), chats of SillyTavern "
    "(.jsonl) and diaries (.jsonl)"
)


def read_log(path: Path, tally: Tally, on_read: OnRead) -> tuple[ChatLogKind, Iterator[Message]]:
    """Return what kind of log a file is, and what was said in it, in its order.

    Errors say what is wrong; those of the iterator too.

    Raises:
        NotFound: there is no such file.
        BadRequest: no log that we know, or a damaged one.
        TooLarge: over a limit.
    """
    file = _opened(path)
    try:
        size_bytes = os.fstat(file.fileno()).st_size
        head = file.read(_HEAD_BYTES)
        file.seek(0)
        if head.startswith(_ZIP):
            return "chatgpt", _named(path, file, _unpacked(file, tally, on_read))
        if size_bytes > MAX_READ_BYTES:
            raise TooLarge(f"{path}: has {size_bytes} bytes, at most {MAX_READ_BYTES} may be")
        kind = _kind(path, head, file)
        file.seek(0)
        replaced: frozenset[str] = frozenset()
        if kind == "diary":
            replaced = jsonlines.replaced_in(_lines(file, 0, lambda done, total: None))
            file.seek(0)
    except BaseException:
        file.close()
        raise
    if kind == "chatgpt":
        found = chatgpt.messages(_chunks(file, size_bytes, on_read), tally)
    elif kind == "sillytavern":
        found = jsonlines.sillytavern(_lines(file, size_bytes, on_read), tally)
    else:
        day = time_of(path.stem) if _DAY.fullmatch(path.stem) else ""
        found = jsonlines.diary(_lines(file, size_bytes, on_read), tally, day, replaced)
    return kind, _named(path, file, found)


def _opened(path: Path) -> IO[bytes]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe might never end
            raise BadRequest(f"{path}: is no file")
        return path.open("rb")
    except FileNotFoundError as e:
        raise NotFound(f"{path}: there is no such file") from e
    except (OSError, ValueError) as e:
        raise BadRequest(f"{path}: cannot be read: {e}") from e


def _kind(path: Path, head: bytes, file: IO[bytes]) -> ChatLogKind:
    """Tell what a file is by the first line that is like one of a log."""
    first = head.removeprefix(_BOM).lstrip()[:1]
    if first == b"[":
        return "chatgpt"
    for number, line in _lines(file, 0, lambda done, total: None):
        if line and (kind := _kind_of_line(line)):
            return kind
        if number >= _LOOKED_AT:
            break
    if first == b"{":
        return "chatgpt"  # one conversation, over many lines; if not, that is what is said
    raise BadRequest(f"{path}: is no chat log: {_KNOWN}")


def _kind_of_line(line: bytes) -> ChatLogKind | None:
    try:
        entry, record = jsonlines.entry_of(line), jsonlines.diary_line_of(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(entry.character_name, str) or isinstance(entry.mes, str):
        return "sillytavern"
    return "diary" if record.role is not None and record.text is not None else None


def _named(path: Path, file: IO[bytes], messages: Iterator[Message]) -> Iterator[Message]:
    """Let the errors of a reader name the file, and those of zip files be ours."""
    try:
        with file:
            yield from messages
    except BadRequest as e:
        raise BadRequest(f"{path}: {e.message}", e.hint) from e
    except TooLarge as e:
        raise TooLarge(f"{path}: {e.message}", e.hint) from e
    except (zipfile.BadZipFile, zlib.error, EOFError) as e:
        raise BadRequest(f"{path}: is a damaged zip file ({e})") from e
    except (RuntimeError, NotImplementedError) as e:  # how zipfile says so
        raise BadRequest(f"{path}: is a zip file that cannot be unpacked ({e})") from e
    except MemoryError as e:
        raise TooLarge(f"{path}: takes more memory to read than is allowed") from e
    except OSError as e:
        raise BadRequest(f"{path}: cannot be read: {e.strerror}") from e


def _unpacked(file: IO[bytes], tally: Tally, on_read: OnRead) -> Iterator[Message]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > MAX_MEMBERS:
            raise TooLarge(f"has {len(members)} files in it, at most {MAX_MEMBERS} may be")
        wanted = [one for one in members if _CONVERSATIONS.fullmatch(one.filename)]
        if not wanted:
            raise BadRequest(f"has no conversations.json in it: {_KNOWN}")
        total = sum(one.file_size for one in wanted)
        if total > MAX_READ_BYTES:
            raise TooLarge(f"unpacks to {total} bytes, at most {MAX_READ_BYTES} may be")
        done = 0
        for one in sorted(wanted, key=lambda one: one.filename):
            _check_member(one)
            before = done
            with archive.open(one) as member:
                report = lambda read, _, before=before: on_read(before + read, total)  # noqa: E731
                yield from chatgpt.messages(_chunks(member, one.file_size, report), tally)
            done += one.file_size


def _check_member(one: zipfile.ZipInfo) -> None:
    name = ascii(one.filename[:80])
    if one.flag_bits & 1:
        raise BadRequest(f"{name} in it is encrypted")
    if one.compress_type not in _METHODS:
        raise BadRequest(f"{name} in it is packed in a way that is not read")
    if one.file_size > max(1 << 20, MAX_RATIO * one.compress_size):
        raise TooLarge(
            f"{name} in it unpacks to {one.file_size} bytes from {one.compress_size}, "
            f"at most {MAX_RATIO} times as many may be"
        )


def _chunks(file: IO[bytes], total: int, on_read: OnRead) -> Iterator[bytes]:
    done = 0
    while chunk := file.read(_CHUNK_BYTES):
        done += len(chunk)
        yield chunk
        on_read(done, total)


def _lines(file: IO[bytes], total: int, on_read: OnRead) -> Iterator[Line]:
    """Yield the lines of a file with their numbers; of one that is too long, no content."""
    done = number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        done += len(line)
        content: bytes | None = line
        while not line.endswith(b"\n") and len(line) > MAX_LINE_BYTES:
            content = None
            line = file.readline(MAX_LINE_BYTES + 1)
            done += len(line)
        if number == 1 and content is not None:
            content = content.removeprefix(_BOM)
        yield number, content
        on_read(done, total)
