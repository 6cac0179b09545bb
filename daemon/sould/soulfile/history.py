"""The folder of one soul: its generations, its journal, and going back in them. No numpy."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from sould.durable import sync_dir
from sould.errors import SoulInvalid, SoulMissing, StorageError
from sould.soulfile.generations import (
    GenerationFile,
    file_name,
    generation,
    list_files,
    newest_sound,
    none_sound,
    read_generations,
    storing,
    taken,
)
from sould.soulfile.header import check_seal, read_header
from sould.soulfile.journal import Journal
from sould.soulfile.jsontext import Unsound
from sould.soulfile.meta import SoulMeta
from sould.soulfile.taught import unpack
from sould.soulfile.writing import restamp, restamp_learned, write_empty

log = logging.getLogger(__name__)

JOURNAL = "journal"


class SoulHome:
    """The folder of one soul."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.journal = folder / JOURNAL

    def create(self) -> None:
        """Make the folder, empty: the soul is new.

        Raises:
            SoulExists: there is one.
            StorageError: it cannot be made.
        """
        with storing(self.folder):
            try:
                self.folder.mkdir(mode=0o700)
            except FileExistsError as e:
                raise taken(self.name) from e
            sync_dir(self.folder.parent)

    def generations(self) -> list[GenerationFile]:
        """Return all generations, newest first; only their headers are checked.

        Raises:
            SoulMissing: there is no such folder.
            StorageError: it cannot be read.
        """
        return list(self._headers())

    def newest(self) -> tuple[GenerationFile | None, list[str]]:
        """Return the newest generation whose seal holds, and a note for each one passed over.

        With neither, the soul is new.

        Raises:
            SoulMissing, StorageError: as :meth:`generations`.
        """
        return newest_sound(self.folder)

    def number(self, n: int) -> GenerationFile:
        """Return the generation of this number, its seal checked.

        Raises:
            SoulMissing: there is none.
            SoulInvalid: it is damaged.
        """
        return self._number(n, check_seal)

    def next_path(self) -> tuple[int, Path]:
        """Return the number of the next generation, and the path it is to have.

        Raises:
            SoulMissing, StorageError: as :meth:`generations`.
        """
        number = next((n for n, _ in list_files(self.folder)), 0) + 1
        return number, self.folder / file_name(number)

    def older(self, *, now: datetime, steps: int = 1, to: int | None = None) -> GenerationFile:
        """Return the generation that is ``steps`` back, or numbered ``to``. What the journal holds
        is written as a generation first.

        Raises:
            SoulMissing: there is nothing so far back.
            SoulInvalid: what was asked for, or everything, is damaged.
            StorageError: the state is as it was.
        """
        current = self.current(now=now, why="undo")
        # Its seal is checked when it is written again.
        return self._number(self._before(current, steps) if to is None else to, read_header)

    def go_back(self, older: GenerationFile, *, now: datetime) -> GenerationFile:
        """Write an older state again as the newest; return that. It keeps the parent of the older,
        so that the next step back goes further. The state that is left stays.

        Raises:
            SoulInvalid: the older one is damaged.
            StorageError: the state is as it was.
        """
        meta = stamped(older, now, self.name, why="undo", **afresh(now))
        return self.add(lambda path: restamp(older.path, path, meta))

    def take_back(self, *, now: datetime) -> GenerationFile:
        """Write the state before the newest generation again, which is not to count; return it.

        Unlike with :meth:`go_back`, what waited to be learned then waits again. For a generation
        that has no journal yet.

        Raises:
            SoulMissing, SoulInvalid, StorageError: as :meth:`older` and :meth:`go_back`.
        """
        older = self._number(self._before(self.require_newest(), 1), read_header)
        meta = stamped(older, now, self.name, why="refused")
        return self.add(lambda path: restamp(older.path, path, meta))

    def reset(self, *, now: datetime) -> GenerationFile | None:
        """Begin anew with a generation that has learned nothing; None if the soul is new.

        The state that is left stays, as with :meth:`go_back`, which leads back to it.

        Raises:
            SoulInvalid: all generations are damaged.
            SoulMissing, StorageError: as :meth:`generations`; the state is as it was.
        """
        if not list_files(self.folder):
            return None
        left = self.current(now=now, why="reset")
        meta = dataclasses.replace(
            stamped(left, now, self.name, why="reset", heard=None, **afresh(now)),
            level=0,
            taught=frozenset(),
            scores={},
            parent=meta_of(left).sha256,
        )
        return self.add(lambda path: write_empty(path, meta))

    def keep_journal(self, *, now: datetime, why: str) -> GenerationFile | None:
        """Write what the journal holds as a generation, without an engine; None: it holds nothing.

        Raises:
            SoulMissing, SoulInvalid: no generation to go on from, or the journal does not fit.
            StorageError: the state is as it was.
        """
        return self._kept(self.require_newest(), now, why=why)

    def current(self, *, now: datetime, why: str) -> GenerationFile:
        """Return the newest generation, once :meth:`keep_journal` has been seen to.

        Raises:
            SoulMissing, SoulInvalid, StorageError: as :meth:`keep_journal`.
        """
        newest = self.require_newest()
        return self._kept(newest, now, why=why) or newest

    def require_newest(self) -> GenerationFile:
        """Return the newest generation whose seal holds.

        Raises:
            SoulMissing: there is no generation at all.
            SoulInvalid: none is sound.
        """
        newest, notes = self.newest()
        if newest is None:
            if notes:
                raise none_sound(self.name, notes)
            raise SoulMissing(
                f"soul '{self.name}' has no generation yet", "its first one comes with a body"
            )
        return newest

    def add(self, write: Callable[[Path], SoulMeta]) -> GenerationFile:
        """Have the next generation written to the path it is to have; begin its journal.

        Raises:
            SoulInvalid, SoulMissing, StorageError: as ``write``; the state is as it was.
        """
        number, path = self.next_path()
        meta = write(path)
        self.begin_journal(path, meta)
        return generation(number, path, meta)

    def begin_journal(self, path: Path, meta: SoulMeta) -> None:
        """Begin the journal of the generation that has just been written to ``path``.

        Raises:
            StorageError: the state is as it was; the generation is gone again.
        """
        try:
            Journal(self.journal).begin(meta.sha256)
        except StorageError:
            with storing(path):
                path.unlink()
                sync_dir(self.folder)
            raise

    def prune(self, keep: int, *, sound: int | None = None) -> list[int]:
        """Remove all but the newest ``keep`` generations; return the numbers of the removed.

        The newest with a sound header is kept in any case; ``sound``: one that is known to be.

        Raises:
            SoulMissing, StorageError: as :meth:`generations`, or one cannot be removed.
        """
        assert keep >= 1
        files = list_files(self.folder)
        if len(files) <= keep:
            return []
        if sound is None:
            sound = next((found.number for found in self._headers() if found.meta), 0)
        oldest_kept = min(files[keep - 1][0], sound)
        removed = [(number, path) for number, path in files if number < oldest_kept]
        for _, path in removed:
            with storing(path):
                path.unlink(missing_ok=True)
        return [number for number, _ in removed]

    def _headers(self) -> Iterator[GenerationFile]:
        """Yield all generations, newest first, as they are asked for: a header takes a while."""
        return read_generations(self.folder)

    def _kept(self, newest: GenerationFile, now: datetime, *, why: str) -> GenerationFile | None:
        read = Journal(self.journal).read()
        if read is None or read.entry is None or read.after != meta_of(newest).sha256:
            return None
        entry = read.entry
        meta = dataclasses.replace(
            stamped(newest, now, self.name, why=why),
            level=entry.level,
            taught=meta_of(newest).taught | entry.taught,
            parent=read.after,
        )
        try:
            return self.add(lambda path: restamp_learned(newest.path, path, meta, entry))
        except SoulInvalid as e:  # opened, it would be dropped likewise
            log.warning("the journal of soul '%s' cannot be used: %s", self.name, e)
            return None

    def _number(self, n: int, check: Callable[[Path], SoulMeta]) -> GenerationFile:
        files = list_files(self.folder)
        path = dict(files).get(n)
        if path is None:
            kept = f"{files[-1][0]} to {files[0][0]} are kept" if files else "none is saved yet"
            raise SoulMissing(f"soul '{self.name}' has no generation {n}: {kept}")
        return generation(n, path, check(path))

    def _before(self, current: GenerationFile, steps: int) -> int:
        """Return the number of the generation ``steps`` before, from parent to parent."""
        at, older = current, self._headers()
        for step in range(steps):
            parent = meta_of(at).parent
            before = next((g for g in older if g.meta and g.meta.sha256 == parent), None)
            if before is None:
                why = "what it grew from is not kept" if parent else "it is the first"
                raise SoulMissing(
                    f"soul '{self.name}' can go back {step} generations, not {steps}: at "
                    f"generation {at.number}, {why}",
                    "'soul history' shows what is kept, 'soul undo --to N' goes to any of it",
                )
            at = before
        return at.number


def meta_of(found: GenerationFile) -> SoulMeta:
    """Return the metadata of a generation that is known to be sound."""
    assert found.meta is not None
    return found.meta


def since_of(meta: SoulMeta) -> str:
    """Return the moment from which on what is said to a soul waits to be learned."""
    return str(meta.config.get("since", meta.created))


def again_of(meta: SoulMeta) -> frozenset[str]:
    """Return the records that wait whenever they were said: they were learned and have to be
    learned again, since what was learned before them was forgotten.
    """
    return _ids_in(meta, "again")


def heard_of(meta: SoulMeta) -> frozenset[str]:
    """Return the records that are in the weights: those that it was taught, and those of nights
    that ended early which it does not know yet, and which wait.
    """
    return meta.taught | _ids_in(meta, "heard")


def _ids_in(meta: SoulMeta, setting: str) -> frozenset[str]:
    text = meta.config.get(setting)
    try:
        return unpack(text) if isinstance(text, str) and text else frozenset()
    except Unsound as e:
        log.warning("what soul '%s' says of '%s' cannot be read: %s", meta.name, setting, e)
        return frozenset()


def afresh(now: datetime) -> dict[str, str | None]:
    """Return the settings of a state that learns only what is said from now on."""
    return {"since": now.isoformat(), "again": None}


def stamped(source: GenerationFile, now: datetime, name: str, **config: Any) -> SoulMeta:
    """Return the metadata of a state that is written again, with these settings beside its own;
    one that is None it loses.
    """
    assert now.tzinfo is not None
    meta = meta_of(source)
    kept = {key: value for key, value in meta.config.items() if key not in config}
    given = {key: value for key, value in config.items() if value is not None}
    return dataclasses.replace(meta, name=name, saved=now.isoformat(), config={**kept, **given})
