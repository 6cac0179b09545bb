"""The reports of nights: ``workspace/reports/``, one file each. Of what was told they have ids
alone; what was replied where it was asked for is there until anything is forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Set
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from soul_client.wire import SleepReport
from sould.errors import NotFound, StorageError
from sould.supervisor.diary import instant
from sould.supervisor.files import make_private_dir, write_private

log = logging.getLogger(__name__)

FOLDER = "reports"
UNDONE = "something that it went over is forgotten; the rest is learned again"
WENT_BACK = "the soul went back to before it"


class Reports:
    """The folder of reports. Blocking: call it from a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, report: SleepReport, began: datetime) -> None:
        """Write a report; where that cannot be done, the night counts all the same."""
        try:
            make_private_dir(self.folder)
            path = self.folder / f"{began:%Y-%m-%d-%H%M%S-%f}.json"
            write_private(path, _as_json(report))
        except StorageError as e:
            log.warning("the report of the night is not written: %s", e)

    def newest(self, soul: str) -> SleepReport:
        """Return the report of the last night of a soul.

        Raises:
            NotFound: there is none.
        """
        for report in self.all():
            if report.soul == soul:
                return report
        raise NotFound("there is no report of any night", "sleep first: 'soul sleep'")

    def newest_of(self, soul: str, limit: int) -> list[SleepReport]:
        """Return the reports of the newest nights of a soul, the oldest first, without what each
        of them says of single facts.
        """
        nights = islice((one for one in self.all() if one.soul == soul), limit)
        bare = [msgspec.structs.replace(one, facts=[], telling_nothing=[]) for one in nights]
        return bare[::-1]

    def rename(self, soul: str, to: str) -> None:
        """Let the reports of a soul be those of another name; done again, it goes on.

        Raises:
            StorageError: some may be; do it again.
        """
        self._rewrite(soul, lambda report: msgspec.structs.replace(report, soul=to))

    def mark_undone(self, soul: str, heard: Set[str]) -> None:
        """Let a night of a soul that went over something which is not ``heard`` any more say that
        it was undone. Done again, it goes on.

        Raises:
            StorageError: some may not say so yet; do it again.
        """
        self._rewrite(soul, partial(_undone, heard=heard))

    def mark_gone_back(self, soul: str, saved: str) -> None:
        """Let the nights of a soul that began since a state was ``saved``, to which it went back,
        say that they were undone. Done again, it goes on.

        Raises:
            StorageError: some may not say so yet; do it again.
        """
        self._rewrite(soul, partial(_gone_back, saved_s=instant(saved)))

    def drop_answers(self) -> None:
        """Remove from all reports what was asked and replied: any of it may have been about
        something that is to be forgotten, whatever soul knew it. Done again, it goes on.

        Raises:
            StorageError: some may be there yet; do it again.
        """
        self._rewrite(None, _without_answers)

    def _rewrite(self, soul: str | None, change: Callable[[SleepReport], SleepReport]) -> None:
        for path in sorted(self.folder.glob("*.json")):
            report = _read(path)
            if report is None or soul not in (None, report.soul):
                continue
            changed = change(report)
            if changed != report:
                write_private(path, _as_json(changed))

    def all(self) -> list[SleepReport]:
        """Return all reports, the newest first, by when the nights began and not by the names of
        the files, which have the clock of a zone; what cannot be read is passed over.
        """
        read = [_read(path) for path in sorted(self.folder.glob("*.json"), reverse=True)]
        found = [report for report in read if report is not None]
        return sorted(found, key=lambda report: instant(report.began), reverse=True)


def _undone(report: SleepReport, heard: Set[str]) -> SleepReport:
    if report.outcome == "kept" and any(one.id not in heard for one in report.facts):
        return msgspec.structs.replace(report, outcome="rolled_back", why=UNDONE)
    return report


def _gone_back(report: SleepReport, saved_s: float) -> SleepReport:
    if report.outcome == "kept" and instant(report.began) >= saved_s:
        return msgspec.structs.replace(report, outcome="rolled_back", why=WENT_BACK)
    return report


def _without_answers(report: SleepReport) -> SleepReport:
    facts = [
        msgspec.structs.replace(fact, question="", said_before="", said_after="")
        for fact in report.facts
    ]
    return msgspec.structs.replace(report, facts=facts)


def _as_json(report: SleepReport) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report))


def _read(path: Path) -> SleepReport | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SleepReport)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as e:
        log.warning("report %s cannot be read: %s", path.name, type(e).__name__)
        return None
