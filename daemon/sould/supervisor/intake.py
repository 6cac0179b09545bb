"""What others wrote is taken into a soul's diary, once: a child reads it, then it is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct, field

from soul_client import codec
from sould.bodystore.progress import Meter
from sould.chats import spool
from sould.chats.records import day_of
from sould.config import Config
from sould.errors import BadRequest, Busy, SoulMissing
from sould.soulfile.home import SoulFolder
from sould.supervisor.children import run_child
from sould.supervisor.diary import Diary, Record, instant
from sould.supervisor.engine import Engine
from sould.supervisor.files import make_private_dir
from sould.supervisor.request import Request, Stopped
from sould.supervisor.wardrobe import Wardrobe

FOLDER = "import"
BATCH_RECORDS, BATCH_CHARS = 500, 1 << 20
"""So much is written at a time, all of one day; a single record may be longer."""

R = TypeVar("R", bound=Struct)


class Known(Struct, frozen=True, kw_only=True):
    """What a soul needs no more of: records in its weights, and imported ones since it began."""

    since: str
    taught: frozenset[str]


class _Page(Struct):
    """A day of the diary, and the records in it."""

    day: str = ""
    ids: set[str] = field(default_factory=set)


class Reader(Struct, Generic[R], frozen=True, kw_only=True):
    """A child that reads: its command, what it is done with, and the records it writes.

    ``total``: how many records that says there are.
    """

    command: Sequence[str]
    result: type[R]
    record: type[Record]
    total: Callable[[R], int]


class Taken(Struct, Generic[R], frozen=True, kw_only=True):
    """``read``: what the child said; ``added`` to the diary; ``known``: in it already."""

    read: R
    added: int
    known: int


class Intake:
    """One at a time. A child process reads into a file of records; these are written into the
    files of their days, in batches that are there whole or not at all.
    """

    def __init__(
        self,
        *,
        config: Config,
        engine: Engine,
        wardrobe: Wardrobe,
        folder: SoulFolder,
        diary: Diary,
        clock: Callable[[], datetime],
        body_name: Callable[[], str],
    ) -> None:
        self._config = config
        self._engine = engine
        self._wardrobe = wardrobe
        self._folder = folder
        self._diary = diary
        self._clock = clock
        self._body_name = body_name
        self._is_busy = False

    async def take(
        self, request: Request, reader: Reader[R], path: str, *, dry_run: bool
    ) -> Taken[R]:
        """Take in what is at a path, for the soul in use; nothing that is there already.

        Raises:
            SouldError: it cannot be read, and nothing was taken in; or a write failed, and
                what was written before it stays.
            Stopped: likewise.
        """
        if not self._config.memory and not dry_run:
            raise BadRequest(
                "memory is off in the config: nothing is kept in the diary",
                "set 'memory: on', or look with --dry-run",
            )
        if self._is_busy:
            raise Busy("a chat log or a document is being taken in already")
        request.ack()
        self._is_busy = True
        try:
            return await self._take(request, reader, path, dry_run)
        finally:
            self._is_busy = False

    async def _take(
        self, request: Request, reader: Reader[R], path: str, dry_run: bool
    ) -> Taken[R]:
        soul = self._wardrobe.name
        known = await self._known(request, soul, may_begin=not dry_run)
        spooled = self._config.cache_dir / FOLDER
        await asyncio.to_thread(_make_empty, spooled)
        try:
            command = [
                *(*reader.command, "--soul", soul),
                *("--imported", self._clock().isoformat(timespec="milliseconds")),
                *("--folder", str(spooled), "--", path),
            ]
            said = await request.race(run_child(command, request.progress))
            read = codec.convert(said, reader.result)
            records = _batches(spooled / spool.FILE, reader.record)
            added, old = await self._write(request, records, reader.total(read), known, dry_run)
        finally:
            await asyncio.to_thread(spool.clear, spooled)
        return Taken(read=read, added=added, known=old)

    async def _known(self, request: Request, soul: str, *, may_begin: bool) -> Known:
        """Return what the soul knows; one that never was on a body is put on one first: it
        begins then, and what is taken in before would not be for it.
        """
        home = self._folder.home(soul)
        newest, _ = await asyncio.to_thread(home.newest)
        if newest is None and may_begin:
            with self._engine.held():
                await request.race(self._engine.ensure(self._body_name(), request.progress))
            newest, _ = await asyncio.to_thread(home.newest)
        if newest is None or newest.meta is None:
            if may_begin:
                raise SoulMissing(f"soul '{soul}' is not worn: {self._wardrobe.status().problem}")
            return Known(since="", taught=frozenset())
        since = newest.meta.config.get("since", newest.meta.created)
        return Known(since=str(since), taught=newest.meta.taught)

    async def _write(
        self,
        request: Request,
        records: Generator[list[Record]],
        total: int,
        known: Known,
        dry_run: bool,
    ) -> tuple[int, int]:
        """Write what is new, batch by batch; a batch that was begun is finished. Return how many
        are new, and how many are not.
        """
        meter = Meter(request.progress, "recording", total)
        page = _Page()
        done = added = 0
        with closing(records) as batches:
            while batch := await asyncio.to_thread(next, batches, None):
                new = await asyncio.to_thread(self._new, batch, page, known)
                if new and not dry_run:
                    await asyncio.to_thread(self._diary.append_to, page.day, new)
                added += len(new)
                done += len(batch)
                meter.set(done)
                if request.stop_reason is not None:
                    raise Stopped(request.stop_reason)
        return added, done - added

    def _new(self, batch: Sequence[Record], page: _Page, known: Known) -> list[Record]:
        """Return those records of a batch that are not in the diary; of several with one id, which
        documents that say the same have, the first.
        """
        if page.day != (day := day_of(batch[0])):
            there = self._diary.read(self._diary.day_file(day))
            page.day, page.ids = day, {record.id for record in there if _counts(record, known)}
        new: dict[str, Record] = {}
        for record in batch:
            if record.id not in page.ids:
                new.setdefault(record.id, record)
        page.ids.update(new)
        return list(new.values())


def _counts(record: Record, known: Known) -> bool:
    """Tell whether a record that is in the diary need not be imported again. Pure.

    What was imported, and let go by an undo or reset before it was learned, may be.
    """
    if not record.imported or record.id in known.taught:
        return True
    return instant(record.imported) >= int(instant(known.since) * 1000) / 1000


def _batches(path: Path, kind: type[Record]) -> Generator[list[Record]]:
    """Yield the records of a file, sorted by day, in batches of one day."""
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        for _, of_day in groupby((decoder.decode(line) for line in file), day_of):
            yield from _cut(of_day)


def _cut(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    chars = 0
    for record in records:
        batch.append(record)
        chars += len(record.text)
        if len(batch) == BATCH_RECORDS or chars >= BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _make_empty(folder: Path) -> None:
    spool.clear(folder)
    make_private_dir(folder)
