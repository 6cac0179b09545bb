"""What was done of the jobs: ``workspace/jobs.json``, dates and no text. Blocking: in a thread.

And the note of a night that was begun, ``workspace/night.json``: while it is there, the night is
going on, or the daemon was killed in it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from sould.errors import StorageError
from sould.supervisor.files import read_note, write_private
from sould.supervisor.timetable import MOST_TRIES, Past

log = logging.getLogger(__name__)

FILE = "jobs.json"
NIGHT = "night.json"


class JobNotes:
    """The pasts of all jobs ever seen, by name."""

    def __init__(self, workspace: Path) -> None:
        self._path = workspace / FILE

    def read(self) -> dict[str, Past]:
        """Return what was done; what cannot be read is as if no job had ever been seen, so that
        nothing is done twice.
        """
        try:
            return read_note(self._path, dict[str, Past], "it is written anew") or {}
        except StorageError as e:
            log.error("what was done of the jobs is not known: %s", e)
            return {}

    def write(self, pasts: Mapping[str, Past]) -> None:
        """Note what was done.

        Raises:
            StorageError: what was noted before is still there.
        """
        write_private(self._path, msgspec.json.format(msgspec.json.encode(pasts)))


class Begun(Struct, frozen=True, kw_only=True):
    """A night that was begun so many times, and not ended."""

    tries: int = 0


class NightNote:
    """There while it is night."""

    def __init__(self, workspace: Path) -> None:
        self._path = workspace / NIGHT

    def was_cut_short(self) -> bool:
        """Tell whether the daemon ended in a night that may be tried again; what was tried often
        enough is over.
        """
        tries = self._tries()
        if tries >= MOST_TRIES:
            log.error("the daemon ended in the same night %d times: it is given up", tries)
            self.end()
        return 0 < tries < MOST_TRIES

    def begin(self) -> None:
        """Note that a night begins; where that cannot be done it is not tried again, but is one."""
        try:
            write_private(self._path, msgspec.json.encode(Begun(tries=self._tries() + 1)))
        except StorageError as e:
            log.warning("%s", e)

    def end(self) -> None:
        """Note that it is over."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _tries(self) -> int:
        try:
            noted = read_note(self._path, Begun, "")
        except StorageError as e:
            log.warning("%s", e)
            return 0
        return noted.tries if noted else 0
