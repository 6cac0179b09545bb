"""Forgetting on disk: planned, noted, then carried out; what a crash cut short is finished.

The note, ``workspace/forgetting.json``, has the ids of records and nothing that was said. Until
it is gone, the daemon takes nothing else up at its start. Blocking: call it from a thread.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Set
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from sould.chats import spool
from sould.durable import sync_dir
from sould.errors import NotFound, SouldError, SoulInvalid, SoulMissing, TooLarge
from sould.soulfile import forgetting
from sould.soulfile.generations import storing
from sould.soulfile.history import SoulHome, again_of, heard_of, meta_of, since_of
from sould.soulfile.home import SoulFolder
from sould.supervisor import intake
from sould.supervisor.diary import Diary
from sould.supervisor.files import read_note, write_private
from sould.supervisor.finding import Found, find, find_document, turns
from sould.supervisor.rebirths import Rebirths
from sould.supervisor.reports import FOLDER as REPORTS
from sould.supervisor.reports import Reports
from sould.supervisor.waiting import is_untaught

log = logging.getLogger(__name__)

NOTE = "forgetting.json"
MOST_RECORDS = 256
"""What is said more often than that is hardly one thing to be forgotten."""
MOST_AGAIN = 4096
"""What a soul can be asked to learn again beside what waits anyway: it is in its files."""


class Note(Struct, frozen=True, kw_only=True):
    """What is being forgotten. ``records``: user's and replies. ``again``: what a soul has to
    learn again that does not wait by itself.
    """

    soul: str
    records: list[str]
    again: list[str]


class Plan(Struct, frozen=True, kw_only=True):
    """What forgetting takes. ``generations``: to be removed. ``relearned``: records that are
    learned again. ``lost``: how many would have to be, and are not in the diary. ``others``: souls
    that were taught some of it too, and keep it. ``reborn``: what the soul is being reborn as, and
    goes back likewise.
    """

    note: Note
    found: Found
    generations: list[int]
    relearned: int
    lost: int
    others: list[str]
    reborn: list[str]


class Eraser:
    """Plans what is forgotten, and carries it out."""

    def __init__(
        self, *, workspace: Path, diary: Diary, souls: SoulFolder, clock: Callable[[], datetime]
    ) -> None:
        self._note = workspace / NOTE
        self._teacher = workspace / "cache" / "teacher"
        self._plugins = workspace / "cache" / "plugins"
        self._imported = workspace / "cache" / intake.FOLDER
        self._reports = Reports(workspace / REPORTS)
        self._diary = diary
        self._souls = souls
        self._rebirths = Rebirths(souls)
        self._clock = clock

    @property
    def is_pending(self) -> bool:
        """Whether something is noted to be forgotten, and is not yet."""
        return self._note.exists()

    def plan(self, soul: str, taught: Set[str], what: str, *, document: bool = False) -> Plan:
        """Find what is to be forgotten, and what that takes. Nothing is changed.

        ``document``: all of the one of that name, however much it is.

        Raises:
            NotFound: nothing of this soul.
            TooLarge: it was said too often, or too much would have to be learned again.
            SouldError: the soul cannot be read.
        """
        home = self._souls.home(soul)
        heard = taught | _heard_in(home)
        look_for = find_document if document else find
        found = look_for(self._diary, soul, heard, what)
        if document and not found.told:
            raise NotFound(
                f"soul '{soul}' was fed no document called {what!r}",
                "'soul feed --list' shows which there are",
            )
        if not found.told and not found.replies:
            raise NotFound(
                f"nothing that was said to soul '{soul}' has that in it, and no record that id",
                "'soul sessions' shows what is in the diary",
            )
        if len(found.ids) > MOST_RECORDS and not document:
            raise TooLarge(
                f"it is in {len(found.ids)} records of the diary, at most {MOST_RECORDS} are "
                "forgotten at a time",
                "say more of it",
            )
        relearned = _relearned(home, taught, heard, found.ids) - self._diary.replaced()
        here, again = self._looked_up(home, soul, relearned)
        reborn = self._rebirths.of(soul)
        if len(again | _again_in(home)) > MOST_AGAIN:
            raise TooLarge(
                f"{len(again)} records would have to be learned again, at most {MOST_AGAIN} can be"
            )
        return Plan(
            note=Note(soul=soul, records=sorted(found.ids), again=sorted(again)),
            found=found,
            generations=forgetting.touched(home, found.ids),
            relearned=len(here),
            lost=len(relearned) - len(here),
            others=[
                name
                for name in self._souls.names()
                if name not in {soul, *reborn} and self._knows(name, found)
            ],
            reborn=[name for name in reborn if self._knows(name, found)],
        )

    def begin(self, note: Note) -> None:
        """Note what is to be forgotten: from now on it will be.

        Raises:
            StorageError: it is not noted, and nothing was changed.
        """
        write_private(self._note, msgspec.json.encode(note))

    def finish(self) -> list[int]:
        """Carry out what is noted, if anything is; return the generations removed.

        Nobody else may touch the soul, nor the cache, and no engine may wear it.

        Raises:
            SouldError: it is not done, and still noted.
        """
        note = self._noted()
        if note is None:
            return []
        ids = frozenset(note.records)
        self._diary.remove(ids)
        removed, heard = [], frozenset[str]()
        try:
            home = self._souls.home(note.soul)
            if home.generations():
                removed = forgetting.forget(home, ids, again=note.again, now=self._clock())
                heard = _heard_in(home)
        except SoulMissing:
            log.warning("soul %s is gone; there is nothing left to forget in it", note.soul)
        self._forget_in_rebirths(note.soul, ids)
        self._reports.mark_undone(note.soul, heard)
        self._reports.drop_answers()
        self._drop_fits()
        self._drop_plugin_caches()
        with storing(self._note, "removed"):
            self._note.unlink(missing_ok=True)
            sync_dir(self._note.parent)
        log.info(
            "forgotten: %d records, soul=%s, generations=%d", len(ids), note.soul, len(removed)
        )
        return removed

    def finish_what_was_begun(self) -> None:
        """Finish, at the start, what a crash cut short; what hinders it is logged. What an import
        that was cut short had read goes, too.
        """
        spool.clear(self._imported)
        try:
            self.finish()
        except SouldError as e:
            log.error("what was to be forgotten is not yet, 'soul forget' tries again: %s", e)

    def _forget_in_rebirths(self, soul: str, ids: Set[str]) -> None:
        """Have what a soul is being reborn as forget it, too; what is learned again, so is there,
        before it can be accepted.
        """
        for name, rebirth in self._rebirths.of(soul).items():
            home = self._souls.home(name)
            try:
                heard = _heard_in(home)
            except SoulInvalid as e:  # nobody can accept it, or go on with it
                log.warning("what soul %s is being reborn as cannot be read: %s", soul, e)
                continue
            if forgetting.touched(home, ids):
                before = rebirth.before
                changed = msgspec.structs.replace(
                    rebirth,
                    asked=[id_ for id_ in rebirth.asked if id_ not in ids],
                    before=before and {id_: m for id_, m in before.items() if id_ not in ids},
                    left=[id_ for id_ in rebirth.left if id_ not in ids],
                    card=None,
                )
                self._rebirths.put(name, changed)
                forgetting.forget(home, ids, again=(), now=self._clock())
                heard = _heard_in(home)
            self._reports.mark_undone(name, heard)  # a crash may have come before it

    def _noted(self) -> Note | None:
        hint = "remove it, and say again what is to be forgotten"
        return read_note(self._note, Note, hint)

    def _looked_up(
        self, home: SoulHome, soul: str, relearned: Set[str]
    ) -> tuple[set[str], set[str]]:
        """Return which of these records are in the diary, and which of them do not wait to be
        learned by themselves: said to another soul, or before a step back.
        """
        here: set[str] = set()
        again: set[str] = set()
        if not relearned:
            return here, again
        since = since_of(meta_of(home.require_newest()))
        for turn in turns(self._diary):
            if turn.said is not None and turn.said.id in relearned:
                here.add(turn.said.id)
                if not is_untaught(turn.said, soul, since, frozenset()):
                    again.add(turn.said.id)
        return here, again

    def _knows(self, name: str, found: Found) -> bool:
        try:
            return bool(forgetting.touched(self._souls.home(name), found.ids))
        except SouldError as e:
            log.warning("soul %s cannot be looked into: %s", name, e)
            return False

    def _drop_plugin_caches(self) -> None:
        """Remove what plugins keep of the diary: they make it anew, from what is left of it."""
        with storing(self._plugins, "removed"), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._plugins)

    def _drop_fits(self) -> None:
        """Remove what the teacher keeps of statements, by their hash; it is found anew."""
        with storing(self._teacher, "cleared"):
            for path in [*self._teacher.glob("fits-*.json"), *self._teacher.glob(".fits-*.new")]:
                path.unlink(missing_ok=True)


def _heard_in(home: SoulHome) -> frozenset[str]:
    """Return what the newest generation of a soul has heard."""
    return heard_of(meta_of(home.require_newest())) if home.generations() else frozenset()


def _again_in(home: SoulHome) -> frozenset[str]:
    return again_of(meta_of(home.require_newest())) if home.generations() else frozenset()


def _relearned(home: SoulHome, taught: Set[str], heard: Set[str], ids: Set[str]) -> Set[str]:
    """Return what a soul has to learn again if it forgets these records."""
    if not heard & ids:
        return frozenset()
    base = forgetting.base_of(home, taught - ids, without=ids)
    return taught - ids - (meta_of(base).taught if base else frozenset())
