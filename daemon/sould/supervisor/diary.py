"""The diary: every turn as text, one JSON record per line, durable before it is acknowledged.

``<workspace>/memories/YYYY-MM-DD.jsonl``, local date. Blocking: call it from a thread.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from sould.errors import StorageError
from sould.supervisor.files import make_private_dir, open_private, sync_dir, write_private
from sould.supervisor.replaced import Marks, Replaced
from sould.supervisor.torn import mend, write_all

log = logging.getLogger(__name__)

Role = Literal["user", "assistant", "document"]

_DATE_GLOB = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].jsonl"


class Record(Struct, frozen=True, kw_only=True):
    """One line: somebody said something. ``learn``: whether a soul may be taught with it.

    ``ts``: of what a user said, when its turn began. ``soul``: the one that was worn then.
    ``imported``: when it was taken in from a chat log; "": it was said here. Such a record lies
    in the file of the day in its id. ``reply_to``: of a reply that was made anew, the id of what
    the user said; any other is to the record before it.
    """

    id: str
    ts: str
    role: Role
    text: str
    session: str
    learn: bool = True
    soul: str = ""
    imported: str = ""
    reply_to: str = ""


class Statement(Record, frozen=True, kw_only=True):
    """What a document says, role "document". ``source``: the document's name; ``heading``: what
    it stands under; ``place``: the line, or page of a PDF, from 1.
    """

    source: str
    heading: str = ""
    place: int = 0


class _Line(Struct):
    """A record as it may lie on disk: older ones have a ``timestamp``, no id and no session."""

    role: Role | Literal["replaced"]
    text: str
    id: str = ""
    ts: str = ""
    timestamp: str = ""
    session: str = ""
    learn: bool = True
    soul: str = ""
    imported: str = ""
    reply_to: str = ""
    source: str = ""
    heading: str = ""
    place: int = 0


_decoder = msgspec.json.Decoder(_Line)


class Diary:
    """The folder of diary files. Thread-safe."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self.folder = folder
        self.is_writable = True
        self._clock = clock
        self._lock = threading.Lock()
        self._marks = Marks()
        self._passed_over: set[tuple[str, int]] = set()

    def open(self) -> None:
        """Make the folder, and mend files whose last line has no end: a crash may have torn it, or
        somebody left it out of one that was edited by hand.

        Raises:
            StorageError: the folder cannot be made or is not private.
        """
        make_private_dir(self.folder)
        for age, path in enumerate(self.files()):
            try:
                with open(path, "ab+", buffering=0, opener=open_private) as file:
                    mend(path, file, is_whole)
            except OSError as e:  # chatting without a diary beats not starting: see is_writable
                if age == 0:
                    self.is_writable = False
                log.error("%s cannot be written: %s", path, e.strerror)

    def files(self) -> list[Path]:
        """Return the diary's files, newest first."""
        return sorted(self.folder.glob(_DATE_GLOB), reverse=True)

    def append(self, records: Sequence[Record], replaced: Sequence[str] = ()) -> None:
        """Add records in one write and make them durable: all of them or none.

        ``replaced``: ids of records whose place they take. That is written last: cut short, what
        was said before still counts.

        Raises:
            StorageError: nothing was added; the file is as it was.
        """
        path = self.day_file(f"{self._clock():%Y-%m-%d}")
        lines: list[Struct] = list(records)
        if replaced:
            last = records[-1]
            lines.append(Replaced(ts=last.ts, session=last.session, ids=list(replaced)))
        try:
            self._write(path, lines)
        except OSError as e:
            raise StorageError(
                f"the turn is not recorded: {path} cannot be written: {e.strerror}",
                "make room on the disk and say it again",
            ) from e

    def append_to(self, day: str, records: Sequence[Record]) -> None:
        """As :meth:`append`, to the file of a day (``YYYY-MM-DD``)."""
        path = self.day_file(day)
        try:
            self._write(path, records)
        except OSError as e:
            raise StorageError(
                f"{path} cannot be written: {e.strerror}",
                "make room on the disk and import again: nothing is taken in twice",
            ) from e

    def day_file(self, day: str) -> Path:
        """Return the file of a day (``YYYY-MM-DD``), whether there is one or not."""
        return self.folder / f"{day}.jsonl"

    def read(self, path: Path) -> Iterator[Record]:
        """Yield the records of one file in order; lines that are none are passed over.

        A record without a session belongs to one named after its day.
        """
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    if not line.endswith(b"\n"):
                        continue
                    if record := _parse(path, number, line, self._pass_over):
                        yield record
        except FileNotFoundError:  # the user may delete a day at any time
            return

    @property
    def unreadable(self) -> int:
        """How many lines are no records, of what was read so far."""
        return len(self._passed_over)

    def _pass_over(self, path: Path, number: int, why: str) -> None:
        place = (path.name, number)
        if place not in self._passed_over:
            self._passed_over.add(place)
            log.warning("%s, line %d is no diary record and is passed over: %s", *place, why)

    def replaced(self) -> frozenset[str]:
        """Return the ids of all records whose place others took: they are in no conversation any
        more, and what of them was not learned is not to be.
        """
        return self._marks.read(self.files())

    def find(self, ids: Set[str]) -> dict[str, Record]:
        """Return records by their ids, those that are still there. Reads all days from the
        newest on, until all are found.
        """
        found: dict[str, Record] = {}
        for path in self.files():
            if len(found) == len(ids):
                break
            found |= {record.id: record for record in self.read(path) if record.id in ids}
        return found

    def _write(self, path: Path, lines: Sequence[Struct]) -> None:
        data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        with self._lock:
            try:
                self._append(path, data)
            except OSError:
                self.is_writable = False
                raise
            self.is_writable = True

    def remove(self, ids: Set[str]) -> None:
        """Take records out for good, a file at a time; those that are not there are gone already.

        What crashes tore off (``*.torn``) goes too: nobody can say what it was.

        Raises:
            StorageError: a file cannot be written; of it and the older ones nothing is gone.
        """
        with self._lock:
            for path in self.files():
                try:
                    self._remove(path, ids)
                except OSError as e:
                    raise StorageError(f"{path} cannot be written: {e.strerror}") from e
            try:
                for torn in self.folder.glob("*.torn"):
                    torn.unlink(missing_ok=True)
                sync_dir(self.folder)
            except OSError as e:
                raise StorageError(f"{self.folder} cannot be cleared: {e.strerror}") from e

    def _remove(self, path: Path, ids: Set[str]) -> None:
        if not any(record.id in ids for record in self.read(path)):
            return
        with open(path, "ab+", buffering=0, opener=open_private) as file:
            mend(path, file, is_whole)
        write_private(path, without(path, path.read_bytes(), ids))
        self._passed_over = {place for place in self._passed_over if place[0] != path.name}

    def _append(self, path: Path, data: bytes) -> None:
        is_new = not path.exists()
        with open(path, "ab+", buffering=0, opener=open_private) as file:
            mend(path, file, is_whole)
            old_bytes = file.seek(0, os.SEEK_END)
            try:
                write_all(file, data)
                os.fsync(file.fileno())
                if is_new:
                    sync_dir(self.folder)
            except OSError:
                file.truncate(old_bytes)
                raise


def without(path: Path, data: bytes, ids: Set[str]) -> bytes:
    """Return a file without these records. Pure.

    Where others are known by the number of their line, an empty line takes the place of each.
    """
    lines = BytesIO(data).readlines()  # split as files are: at line feeds alone
    records = [_parse(path, number, line) for number, line in enumerate(lines, start=1)]
    is_numbered = any(record and record.id.startswith(f"{path.stem}/") for record in records)
    kept = [
        (b"\n" if is_numbered else b"") if record and record.id in ids else line
        for line, record in zip(lines, records, strict=True)
    ]
    return b"".join(kept)


def is_whole(line: bytes) -> bool:
    """Tell whether a line without its newline is one of a diary. Pure."""
    try:
        _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def instant(ts: str) -> float:
    """Return the seconds since 1970 of a time as records have it, 0 if it is none. Pure."""
    try:
        return datetime.fromisoformat(ts).timestamp()
    except ValueError:
        return 0.0


def _parse(
    path: Path, number: int, line: bytes, pass_over: Callable[[Path, int, str], None] | None = None
) -> Record | None:
    if line == b"\n":  # one was forgotten here
        return None
    try:
        raw = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        if pass_over is not None:
            pass_over(path, number, str(e))
        return None
    if raw.role == "replaced":
        return None
    record = Record(
        id=raw.id or f"{path.stem}/{number}",
        ts=raw.ts or raw.timestamp or f"{path.stem}T00:00:00",
        role=raw.role,
        text=raw.text,
        session=raw.session or f"diary-{path.stem}",
        learn=raw.learn,
        soul=raw.soul,
        imported=raw.imported,
        reply_to=raw.reply_to,
    )
    if raw.role != "document":
        return record
    where = {"source": raw.source, "heading": raw.heading, "place": raw.place}
    return Statement(**{**msgspec.structs.asdict(record), **where})
