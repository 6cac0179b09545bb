"""Where souls live: the folder of all of them, and which is in use. Needs no numpy.

FORMAT.md is the layout in words. One writer at a time: the daemon sees to it.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sould.durable import replace_file, sync_dir
from sould.errors import SoulExists, SoulInvalid
from sould.soulfile.generations import GenerationFile, generation, missing, storing, taken
from sould.soulfile.header import check_seal, chunks, reading
from sould.soulfile.history import SoulHome, afresh, meta_of, stamped
from sould.soulfile.jsontext import shown
from sould.soulfile.names import name_fault
from sould.soulfile.writing import restamp

__all__ = ["GenerationFile", "SoulFolder", "SoulHome"]

_ACTIVE = "active"
_LINE_BYTES = 256


class SoulFolder:
    """The folder of all souls, and which of them is in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return the souls there are, sorted.

        Raises:
            StorageError: the folder cannot be read.
        """
        with storing(self.folder, "read"):
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
        with storing(path, "read"):
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
        with storing(path):
            replace_file(path, [f"{home.name}\n".encode()])

    def new(self, name: str, *, beside: Mapping[str, bytes] | None = None) -> SoulHome:
        """Make a soul without generations; its folder is there with all files that are to lie
        ``beside`` them, by name, or not at all.

        Raises:
            SoulInvalid: no soul can be called so.
            SoulExists: there is one.
            StorageError: it cannot be made.
        """
        home = self._home(name)
        self._make()
        if not beside:
            home.create()
            return home
        self._require_free(name)
        with self._drafted(home) as draft, storing(draft):
            for file, data in beside.items():
                replace_file(draft / file, [data])
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
        newest = self.home(name).require_newest()
        if os.path.lexists(to) and not replace:
            raise SoulExists(f"{to} is there already", "choose another path, or have it replaced")
        with reading(newest.path) as file, storing(to):
            replace_file(to, chunks(file, newest.size_bytes))
        return newest.size_bytes

    def rename(self, name: str, to: str) -> None:
        """Call a soul otherwise: its folder; the files in it keep the name that is in them.

        Raises:
            SoulInvalid, SoulMissing: as :meth:`home`.
            SoulExists: there is a soul ``to``.
            StorageError: it is called as before.
        """
        home = self.home(name)
        self._require_free(to)
        with storing(home.folder, "renamed"):
            home.folder.rename(self._home(to).folder)
            sync_dir(self.folder)

    def _home(self, name: str) -> SoulHome:
        if fault := _fault(name):
            raise SoulInvalid(f"a soul cannot be called '{shown(name)}': the name {fault}")
        return SoulHome(self.folder / name)

    def _require_free(self, name: str) -> None:
        if os.path.lexists(self._home(name).folder):
            raise taken(name)

    def _grown(self, source: GenerationFile, name: str, now: datetime, *, why: str) -> SoulHome:
        """Make a soul whose first generation is that of another: all of it there, or nothing."""
        grown = stamped(source, now, name, why=why, **afresh(now))
        meta = dataclasses.replace(grown, parent=meta_of(source).sha256)
        self._make()
        home = self._home(name)
        with self._drafted(home) as draft:
            SoulHome(draft).add(lambda path: restamp(source.path, path, meta))
        return home

    @contextmanager
    def _drafted(self, home: SoulHome) -> Iterator[Path]:
        """Yield a folder that becomes that of a soul at the end, or is removed."""
        draft = self.folder / f".{home.name}.new"
        with storing(draft):
            shutil.rmtree(draft, ignore_errors=True)  # of one that was killed
            draft.mkdir(mode=0o700)
        try:
            yield draft
            with storing(home.folder):
                draft.rename(home.folder)
                sync_dir(self.folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def _make(self) -> None:
        with storing(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _fault(name: str) -> str:
    if name.casefold() == _ACTIVE:
        return "is that of a file of ours"
    return name_fault(name)
