"""Where souls live: the folder of one with its generations and journal, and that of all.

FORMAT.md is the layout in words. One writer at a time: the daemon sees to it. Needs no numpy.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sould.durable import replace_file, sync_dir
from sould.errors import SoulExists, SoulInvalid, SoulMissing, StorageError
from sould.soulfile.generations import (
    GenerationFile,
    file_name,
    generation,
    list_files,
    missing,
    newest_sound,
    none_sound,
    read_generations,
)
from sould.soulfile.header import check_seal, chunks, read_header, reading
from sould.soulfile.journal import Journal
from sould.soulfile.jsontext import shown
from sould.soulfile.meta import SoulMeta
from sould.soulfile.names import name_fault
from sould.soulfile.writing import restamp, restamp_learned, write_empty

__all__ = ["GenerationFile", "SoulFolder", "SoulHome"]

_JOURNAL = "journal"
_ACTIVE = "active"
_LINE_BYTES = 256


class SoulHome:
    """The folder of one soul."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.journal = folder / _JOURNAL

    def create(self) -> None:
        """Make the folder, empty: the soul is new.

        Raises:
            SoulExists: there is one.
            StorageError: it cannot be made.
        """
        with _storing(self.folder):
            try:
                self.folder.mkdir(mode=0o700)
            except FileExistsError as e:
                raise _taken(self.name) from e
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

    def undo(self, *, now: datetime, steps: int = 1, to: int | None = None) -> GenerationFile:
        """Go back ``steps`` generations, or to the one numbered ``to``; return the new one.

        The older state is written again as the newest; it keeps the parent of the older, so
        that the next undo goes further back. The state that is left stays, and what the
        journal holds of it is written as a generation first.

        Raises:
            SoulMissing: there is nothing so far back.
            SoulInvalid: what was asked for, or everything, is damaged.
            StorageError: the state is as it was.
        """
        current = self.current(now=now, why="undo")
        if to is None:
            to = self._before(current, steps)
        older = self._number(to, read_header)  # its seal is checked when it is written again
        meta = _stamped(older, now, self.name, why="undo", since=now.isoformat())
        return self._add(lambda path: restamp(older.path, path, meta))

    def reset(self, *, now: datetime) -> GenerationFile | None:
        """Begin anew with a generation that has learned nothing; None if the soul is new.

        The state that is left stays, as with :meth:`undo`, which leads back to it.

        Raises:
            SoulInvalid: all generations are damaged.
            SoulMissing, StorageError: as :meth:`generations`; the state is as it was.
        """
        if not list_files(self.folder):
            return None
        left = self.current(now=now, why="reset")
        meta = dataclasses.replace(
            _stamped(left, now, self.name, why="reset", since=now.isoformat()),
            level=0,
            taught=frozenset(),
            scores={},
            parent=_meta(left).sha256,
        )
        return self._add(lambda path: write_empty(path, meta))

    def keep_journal(self, *, now: datetime, why: str) -> GenerationFile | None:
        """Write what the journal holds as a generation, without an engine; None: it holds nothing.

        Raises:
            SoulMissing, SoulInvalid: no generation to go on from, or the journal does not fit.
            StorageError: the state is as it was.
        """
        return self._kept(self._newest(), now, why=why)

    def current(self, *, now: datetime, why: str) -> GenerationFile:
        """Return the newest generation, once :meth:`keep_journal` has been seen to.

        Raises:
            SoulMissing, SoulInvalid, StorageError: as :meth:`keep_journal`.
        """
        newest = self._newest()
        return self._kept(newest, now, why=why) or newest

    def begin_journal(self, path: Path, meta: SoulMeta) -> None:
        """Begin the journal of the generation that has just been written to ``path``.

        Raises:
            StorageError: the state is as it was; the generation is gone again.
        """
        try:
            Journal(self.journal).begin(meta.sha256)
        except StorageError:
            with _storing(path):
                path.unlink()
                sync_dir(self.folder)
            raise

    def prune(self, keep: int) -> list[int]:
        """Remove all but the newest ``keep`` generations; return the numbers of the removed.

        The newest with a sound header is kept in any case.

        Raises:
            SoulMissing, StorageError: as :meth:`generations`, or one cannot be removed.
        """
        assert keep >= 1
        files = list_files(self.folder)
        if len(files) <= keep:
            return []
        sound = next((found.number for found in self._headers() if found.meta), 0)
        oldest_kept = min(files[keep - 1][0], sound)
        removed = [(number, path) for number, path in files if number < oldest_kept]
        for _, path in removed:
            with _storing(path):
                path.unlink(missing_ok=True)
        return [number for number, _ in removed]

    def _headers(self) -> Iterator[GenerationFile]:
        """Yield all generations, newest first, as they are asked for: a header takes a while."""
        return read_generations(self.folder)

    def _newest(self) -> GenerationFile:
        newest, notes = self.newest()
        if newest is None:
            if notes:
                raise none_sound(self.name, notes)
            raise SoulMissing(
                f"soul '{self.name}' has no generation yet", "its first one comes with a body"
            )
        return newest

    def _kept(self, newest: GenerationFile, now: datetime, *, why: str) -> GenerationFile | None:
        read = Journal(self.journal).read()
        if read is None or read.entry is None or read.after != _meta(newest).sha256:
            return None
        entry = read.entry
        meta = dataclasses.replace(
            _stamped(newest, now, self.name, why=why),
            level=entry.level,
            taught=_meta(newest).taught | entry.taught,
            parent=read.after,
        )
        return self._add(lambda path: restamp_learned(newest.path, path, meta, entry))

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
            parent = _meta(at).parent
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

    def _add(self, write: Callable[[Path], SoulMeta]) -> GenerationFile:
        number, path = self.next_path()
        meta = write(path)
        self.begin_journal(path, meta)
        return generation(number, path, meta)


class SoulFolder:
    """The folder of all souls, and which of them is in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return the souls there are, sorted.

        Raises:
            StorageError: the folder cannot be read.
        """
        with _storing(self.folder, "read"):
            if not self.folder.exists():
                return []
            found = [p.name for p in self.folder.iterdir() if not _fault(p.name) and p.is_dir()]
        return sorted(found)

    def home(self, name: str) -> SoulHome:
        """Return the folder of a soul.

        Raises:
            SoulInvalid: no soul can be called so.
            SoulMissing: there is none.
        """
        home = self._home(name)
        if not home.folder.is_dir():
            raise missing(home.folder)
        return home

    def active(self) -> str | None:
        """Return the name of the soul in use, whether there is one or not; None: none was chosen.

        Raises:
            SoulInvalid: the file that says it holds no name.
            StorageError: it cannot be read.
        """
        path = self.folder / _ACTIVE
        with _storing(path, "read"):
            try:
                with path.open("rb") as file:
                    name = file.read(_LINE_BYTES).decode(errors="replace").strip()
            except FileNotFoundError:
                return None
        if fault := _fault(name):
            raise SoulInvalid(f"{path}: '{shown(name)}' {fault}", "choose one: 'soul use NAME'")
        return name

    def set_active(self, name: str) -> None:
        """Note which soul is in use, durably.

        Raises:
            SoulInvalid, SoulMissing: as :meth:`home`.
            StorageError: the one before is still noted.
        """
        home = self.home(name)
        path = self.folder / _ACTIVE
        with _storing(path):
            replace_file(path, [f"{home.name}\n".encode()])

    def new(self, name: str) -> SoulHome:
        """Make a soul without generations.

        Raises:
            SoulInvalid: no soul can be called so.
            SoulExists: there is one.
            StorageError: it cannot be made.
        """
        home = self._home(name)
        self._make()
        home.create()
        return home

    def copy(self, name: str, to: str, *, now: datetime) -> SoulHome:
        """Make a soul ``to`` of the newest state of another, its journal included.

        Raises:
            SoulInvalid: no soul can be called so, or all generations are damaged.
            SoulMissing: there is no soul ``name``, or it has no generation.
            SoulExists: there is a soul ``to``.
            StorageError: there is no soul ``to`` then.
        """
        home = self.home(name)
        self._require_free(to)
        newest = home.current(now=now, why="copy")
        return self._grown(newest, to, now, why="copy")

    def import_file(self, path: Path, name: str, *, now: datetime) -> SoulHome:
        """Make a soul of a ``.soul`` file; ``name`` "" is the one it has.

        Its header and seal are checked here, its weights when it is opened for a body.

        Raises:
            SoulMissing: no such file.
            SoulInvalid: no sound soul file, or no soul can be called so.
            SoulExists: there is a soul of that name.
            StorageError: there is none then.
        """
        meta = check_seal(path)
        name = name or meta.name
        self._require_free(name)
        return self._grown(generation(0, path, meta), name, now, why="import")

    def export(self, name: str, to: Path, *, replace: bool) -> int:
        """Copy the newest generation of a soul to a file, durably; return its size in bytes.

        What is in the journal alone is not in it: save before, or ``keep_journal``.

        Raises:
            SoulInvalid, SoulMissing: as :meth:`home`, or there is no sound generation.
            SoulExists: there is a file, and it is not to be replaced.
            StorageError: it cannot be written; what was there still is.
        """
        newest = self.home(name)._newest()
        if os.path.lexists(to) and not replace:
            raise SoulExists(f"{to} is there already", "choose another path, or have it replaced")
        with reading(newest.path) as file, _storing(to):
            replace_file(to, chunks(file, newest.size_bytes))
        return newest.size_bytes

    def _home(self, name: str) -> SoulHome:
        if fault := _fault(name):
            raise SoulInvalid(f"a soul cannot be called '{shown(name)}': the name {fault}")
        return SoulHome(self.folder / name)

    def _require_free(self, name: str) -> None:
        if os.path.lexists(self._home(name).folder):
            raise _taken(name)

    def _grown(self, source: GenerationFile, name: str, now: datetime, *, why: str) -> SoulHome:
        """Make a soul whose first generation is that of another: all of it there, or nothing."""
        grown = _stamped(source, now, name, why=why, since=now.isoformat())
        meta = dataclasses.replace(grown, parent=_meta(source).sha256)
        self._make()
        home, draft = self._home(name), self.folder / f".{name}.new"
        with _storing(draft):
            shutil.rmtree(draft, ignore_errors=True)  # of one that was killed
            draft.mkdir(mode=0o700)
        try:
            SoulHome(draft)._add(lambda path: restamp(source.path, path, meta))
            with _storing(home.folder):
                draft.rename(home.folder)
                sync_dir(self.folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return home

    def _make(self) -> None:
        with _storing(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _meta(found: GenerationFile) -> SoulMeta:
    assert found.meta is not None
    return found.meta


def _stamped(source: GenerationFile, now: datetime, name: str, **config: Any) -> SoulMeta:
    """Return the metadata of a state that is written again, with these settings beside its own."""
    assert now.tzinfo is not None
    meta = _meta(source)
    return dataclasses.replace(
        meta, name=name, saved=now.isoformat(), config={**meta.config, **config}
    )


def _fault(name: str) -> str:
    if name.casefold() == _ACTIVE:
        return "is that of a file of ours"
    return name_fault(name)


def _taken(name: str) -> SoulExists:
    return SoulExists(f"there is a soul '{name}' already", "choose another name")


@contextmanager
def _storing(path: Path, verb: str = "written") -> Iterator[None]:
    """Say of an error of the system which file or folder it concerns."""
    try:
        yield
    except OSError as e:
        raise StorageError(f"{path} cannot be {verb}: {e.strerror or e}") from e
