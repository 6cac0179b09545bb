"""``sould read-documents``: read documents into statements for the diary, as JSON lines say how
far; a process of its own, since they may be hostile."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from soul_client.wire import Fed, Unread
from sould.bodystore import show
from sould.bodystore.progress import Meter
from sould.chats import child
from sould.chats.spool import write_sorted
from sould.documents import opening
from sould.documents.limits import MAX_CPU_S, MAX_MEMORY_BYTES, MAX_READ_BYTES, MAX_STATEMENTS
from sould.documents.opening import Found
from sould.documents.passage import Passage, Unreadable
from sould.documents.records import statement_of
from sould.documents.sentences import Cutter, Sentence
from sould.documents.text import decoded, of_markdown, of_text
from sould.errors import BadRequest, StorageError, TooLarge
from sould.privacy import find_secrets
from sould.supervisor.diary import Statement

MOST_NAMED = 20


class OutOfTime(BaseException):
    """The time for reading is over. No ``Exception``: libraries catch those."""


def read(path: Path, folder: Path, *, soul: str, fed: str) -> Fed:
    """Read a file, or what is below a folder, into ``folder/records.jsonl``; nothing of it is in
    the diary yet.

    Raises:
        SouldError: names what is wrong: with a file that was asked for by itself, or with all.
    """
    reading = _Reading(path, soul=soul, fed=fed)
    try:
        write_sorted(reading.records(), folder)
    except MemoryError as e:
        raise TooLarge(f"{path}: takes more memory to read than is allowed") from e
    except OSError as e:
        raise StorageError(f"{folder} cannot be written: {e.strerror}") from e
    return reading.done()


class _Reading:
    """What is found on the way."""

    def __init__(self, path: Path, *, soul: str, fed: str) -> None:
        self._path = path
        self._soul = soul
        self._fed = fed
        self._cutter = Cutter()
        self._documents = self._statements = self._secrets = self._bytes = 0
        self._unread: list[Unread] = []

    def records(self) -> Iterator[Statement]:
        files = opening.find_files(self._path)
        meter = Meter(lambda p: show.write_json("progress", p), "reading_documents", len(files))
        for number, one in enumerate(files, start=1):
            try:
                said = self._read(one)
            except Unreadable as e:
                if one.path == self._path:
                    raise BadRequest(f"{self._path}: {e.message}") from e
                self._unread.append(Unread(name=one.name, why=e.why))
            else:
                self._documents += 1
                yield from self._of(one, said)
            meter.set(number)

    def _read(self, one: Found) -> list[Sentence]:
        data = opening.read_bytes(one)
        self._bytes += len(data)
        if self._bytes > MAX_READ_BYTES:
            raise TooLarge(
                f"{self._path}: has more than {MAX_READ_BYTES} bytes in all", "feed it in parts"
            )
        said = list(self._cutter.statements(_passages(one, data)))
        if not said:
            raise Unreadable("empty", "says nothing that can be learned")
        return said

    def _of(self, one: Found, said: Sequence[Sentence]) -> Iterator[Statement]:
        for sentence in said:
            if find_secrets(sentence.text) or find_secrets(sentence.heading):
                self._secrets += 1
                continue
            self._statements += 1
            if self._statements > MAX_STATEMENTS:
                raise TooLarge(
                    f"{self._path}: has more than {MAX_STATEMENTS} statements", "feed it in parts"
                )
            yield statement_of(sentence, source=one.name, soul=self._soul, fed=self._fed)

    def done(self) -> Fed:
        return Fed(
            soul=self._soul,
            documents=self._documents,
            statements=self._statements,
            left_out=self._cutter.left_out,
            secrets=self._secrets,
            unread=self._unread[:MOST_NAMED],
            unread_count=len(self._unread),
        )


def _passages(one: Found, data: bytes) -> Iterator[Passage]:
    if one.suffix in opening.PDF:
        from sould.documents.pdf import of_pdf  # its library takes a while to import

        return of_pdf(data)
    text = decoded(data)
    return of_markdown(text) if one.suffix in opening.MARKDOWN else of_text(text)


def main(argv: Sequence[str]) -> int:
    """Run ``sould read-documents``; returns its exit code."""
    return child.run(argv, command="read-documents", about="Read documents.", read=_read)


def _read(args: argparse.Namespace) -> Fed:
    child.limit_memory(MAX_MEMORY_BYTES)
    _limit_time()
    try:
        return read(args.path, args.folder, soul=args.soul, fed=args.imported)
    except OutOfTime as e:
        message = f"{args.path}: takes more than {MAX_CPU_S} s to read"
        raise TooLarge(message, "feed it in parts") from e


def _limit_time() -> None:
    """Let a document that is made to take all time end this process, with a word."""
    if sys.platform != "win32":
        import resource

        signal.signal(signal.SIGXCPU, _out_of_time)
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S + 10))


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise OutOfTime
