"""``sould read-chats``: read a chat log into records for the diary, as JSON lines say how far; a
process of its own, since the log may be hostile."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from soul_client.wire import DiaryImported
from sould.bodystore import show
from sould.bodystore.progress import Meter
from sould.chats import child
from sould.chats.limits import MAX_MEMORY_BYTES
from sould.chats.message import Tally
from sould.chats.opening import read_log
from sould.chats.records import UNKNOWN_DAY, records
from sould.chats.spool import write_sorted
from sould.errors import StorageError
from sould.supervisor.diary import Record


def read(path: Path, folder: Path, *, soul: str, imported: str) -> DiaryImported:
    """Read a log into ``folder/records.jsonl``; nothing of it is in the diary yet.

    Raises:
        SouldError: names the file and what is wrong with it; or it cannot be written.
    """
    tally = Tally()
    meter: Meter | None = None

    def on_read(done: int, total: int) -> None:
        nonlocal meter
        meter = meter or Meter(lambda p: show.write_json("progress", p), "reading_log", total)
        meter.set(done)

    kind, messages = read_log(path, tally, on_read)
    found = records(messages, kind=kind, soul=soul, imported=imported, tally=tally)
    count = _Count()
    try:
        write_sorted(count.through(found), folder)
    except OSError as e:
        raise StorageError(f"{folder} cannot be written: {e.strerror}") from e
    return DiaryImported(
        kind=kind,
        soul=soul,
        conversations=tally.conversations,
        messages=count.records,
        secrets=count.secrets,
        skipped=tally.skipped(),
        first=count.first,
        last=count.last,
    )


class _Count:
    """What there is in a stream of records."""

    def __init__(self) -> None:
        self.records = self.secrets = 0
        self.first = self.last = ""

    def through(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            yield record
            self.records += 1
            self.secrets += record.role == "user" and not record.learn
            if (day := record.ts[:10]) != UNKNOWN_DAY:
                self.first = min(self.first or day, day)
                self.last = max(self.last, day)


def main(argv: Sequence[str]) -> int:
    """Run ``sould read-chats``; returns its exit code."""
    return child.run(argv, command="read-chats", about="Read a chat log.", read=_read)


def _read(args: argparse.Namespace) -> DiaryImported:
    child.limit_memory(MAX_MEMORY_BYTES)
    return read(args.path, args.folder, soul=args.soul, imported=args.imported)
