"""A reborn soul takes the name of the old one, which is kept under another: on disk, and whole.

The note, ``workspace/reborn.json``, says what is to become of both; while it is there, a start
finishes that before anything else. Every step can be made again, and what needs room on the disk
comes before a name is given away. Blocking: call it from a thread.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Set
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from sould.durable import sync_dir
from sould.errors import SouldError, TooLarge
from sould.soulfile.generations import storing
from sould.soulfile.history import meta_of, stamped
from sould.soulfile.home import SoulFolder
from sould.soulfile.taught import pack
from sould.soulfile.writing import restamp
from sould.supervisor.diary import Diary
from sould.supervisor.erasing import MOST_AGAIN
from sould.supervisor.files import read_note, write_private
from sould.supervisor.rebirth_plan import free_name
from sould.supervisor.rebirths import FILE
from sould.supervisor.reports import Reports
from sould.supervisor.shelf import SoulState, read_state
from sould.supervisor.waiting import is_untaught, teaches

log = logging.getLogger(__name__)

NOTE = "reborn.json"
KEPT = "before"


class Note(Struct, frozen=True, kw_only=True):
    """``reborn`` is to be called ``name``, the old soul ``kept_as``. ``since``, ``created``: of the
    old one. ``again``: records the reborn one was not taught, that do not wait by themselves.
    """

    name: str
    reborn: str
    kept_as: str
    since: str
    created: str
    again: list[str]


class Acceptance:
    """Nobody may wear either soul meanwhile."""

    def __init__(
        self,
        *,
        workspace: Path,
        diary: Diary,
        souls: SoulFolder,
        reports: Reports,
        clock: Callable[[], datetime],
    ) -> None:
        self._note = workspace / NOTE
        self._diary = diary
        self._souls = souls
        self._reports = reports
        self._clock = clock

    def accept(self, name: str, reborn: str) -> str:
        """Let ``reborn`` be called ``name`` from now on; return what the old soul is called.

        What was said to either and is not in the reborn one waits for it.

        Raises:
            TooLarge: that is too much; nothing was changed.
            SouldError: nothing was changed; StorageError: ask again, or it is
                finished at the next start.
        """
        done = self.finish()
        if done is not None and (done.name, done.reborn) == (name, reborn):
            return done.kept_as
        old, new = read_state(self._souls, name), read_state(self._souls, reborn)
        again = self._again(name, old, reborn, new)
        if len(again) > MOST_AGAIN:
            raise TooLarge(
                f"soul '{reborn}' has yet to learn {len(again)} records, at most {MOST_AGAIN} can "
                f"wait beside what was said to '{name}' lately"
            )
        note = Note(
            name=name,
            reborn=reborn,
            kept_as=free_name(name, KEPT, self._souls.names()),
            since=old.since,
            created=meta_of(self._souls.home(name).require_newest()).created,
            again=sorted(again),
        )
        write_private(self._note, msgspec.json.encode(note))
        self.finish()
        return note.kept_as

    def finish(self) -> Note | None:
        """Carry out what is noted, if anything is, and return it.

        Raises:
            SouldError: it is not done, and still noted.
        """
        note = self._noted()
        if note is None:
            return None
        names = self._souls.names()
        if note.reborn in names:
            self._stamp_reborn(note)
        if note.kept_as not in names:
            self._stamp(note.name, note.kept_as)
            self._reports.rename(note.name, note.kept_as)
            self._souls.rename(note.name, note.kept_as)
        if note.reborn in names:
            home = self._souls.home(note.reborn)
            with storing(home.folder, "changed"):
                (home.folder / FILE).unlink(missing_ok=True)
            self._souls.rename(note.reborn, note.name)
        self._reports.rename(note.reborn, note.name)
        if self._souls.active() == note.reborn:
            self._souls.set_active(note.name)
        with storing(self._note, "removed"):
            self._note.unlink(missing_ok=True)
            sync_dir(self._note.parent)
        log.info("soul %s is the one that was %s", note.name, note.reborn)
        return note

    def finish_what_was_begun(self) -> None:
        """Finish, at the start, what a crash cut short; what hinders it is logged."""
        try:
            self.finish()
        except SouldError as e:
            log.error("a reborn soul has not taken its name yet, the next start tries again: %s", e)

    def _stamp_reborn(self, note: Note) -> None:
        self._stamp(
            note.reborn,
            note.name,
            created=note.created,
            since=note.since,
            again=pack(note.again) if note.again else None,
        )

    def _stamp(self, soul: str, name: str, *, created: str = "", **config: str | None) -> None:
        """Write the state of a soul again, as that of one called ``name``."""
        home, now = self._souls.home(soul), self._clock()
        current = home.current(now=now, why="reborn")
        before = meta_of(current)
        if before.name == name:
            return
        meta = dataclasses.replace(
            stamped(current, now, name, why="reborn", **config),
            created=created or before.created,
            parent=before.sha256,
        )
        home.add(lambda path: restamp(current.path, path, meta))

    def _again(self, name: str, old: SoulState, reborn: str, new: SoulState) -> Set[str]:
        """Return what the reborn soul has yet to learn and would not find by itself."""
        known = (old.taught | old.again | new.again) - new.taught
        return {
            record.id
            for path in self._diary.files()
            for record in self._diary.read(path)
            if (record.id in known or is_untaught(record, reborn, new.since, new.taught))
            and teaches(record)
            and not is_untaught(record, name, old.since, new.taught)
        }

    def _noted(self) -> Note | None:
        hint = "look into workspace/souls, call the souls as they should be, and remove it"
        return read_note(self._note, Note, hint)
