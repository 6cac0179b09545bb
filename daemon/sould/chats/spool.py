"""Records on their way into the diary: in a file, by day and time, whatever order they came in."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import msgspec

from sould.chats.records import day_of
from sould.durable import open_private
from sould.supervisor.diary import Record, instant

FILE = "records.jsonl"
_RAW = "records.raw"


def write_sorted(records: Iterable[Record], folder: Path) -> None:
    """Write records into ``folder/records.jsonl``, by the day they belong to and the time.

    In memory there is only where each of them lies.
    """
    places: list[tuple[str, float, int, int]] = []
    end = 0
    raw_path = folder / _RAW
    with open(raw_path, "wb+", opener=open_private) as raw:
        for record in records:
            line = msgspec.json.encode(record) + b"\n"
            raw.write(line)
            places.append((day_of(record), instant(record.ts), end, len(line)))
            end += len(line)
        with open(folder / FILE, "wb", opener=open_private) as ordered:
            for _, _, at, size_bytes in sorted(places):
                raw.seek(at)
                ordered.write(raw.read(size_bytes))
    raw_path.unlink()


def clear(folder: Path) -> None:
    """Remove the folder, as far as that can be done: who was told to end may still write."""
    shutil.rmtree(folder, ignore_errors=True)
