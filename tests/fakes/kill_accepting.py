"""Kill the acceptance of a reborn soul before every step it takes on the disk, and finish it.

    python -m tests.fakes.kill_accepting FOLDER

In FOLDER, a workspace where 'mika' was taught ``FIRST`` and, in the journal alone, ``LAST``, and
'mika-other', its rebirth, ``FIRST``; each has the report of a night. Steps are those of
``kill_at_step``. For every step one JSON line says what was there after the kill, and what once
the next start has finished what was begun.
"""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from soul_client.wire import SleepReport
from sould.soulfile.history import again_of, since_of
from sould.soulfile.home import SoulFolder
from sould.soulfile.journal import Journal
from sould.soulfile.opening import open_soul, save_generation
from sould.soulfile.record import SoulRecord
from sould.supervisor.accepting import NOTE, Acceptance
from sould.supervisor.diary import Diary, Record
from sould.supervisor.rebirths import FILE, Rebirths
from sould.supervisor.reports import Reports
from tests.fakes.kill_at_step import kill_noted
from tests.fakes.souls import BODY, BOTH, make_entry, make_meta, make_tensors

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
FIRST, LAST = (f"20260304T05060{n}-0000000{n}u" for n in range(2))
OTHER = dataclasses.replace(BODY, fingerprint="a71e" * 16, name="other")


def main(folder: Path) -> None:
    """Kill at step after step until it comes through."""
    first, workspace = folder / "first", folder / "workspace"
    prepare(first)
    kill_noted(
        first,
        workspace,
        NOTE,
        change=lambda: acceptance(workspace).accept("mika", "mika-other"),
        finish=lambda: acceptance(workspace).finish_what_was_begun(),
        state=lambda: state_of(workspace),
    )


def prepare(workspace: Path) -> None:
    """Make such a workspace."""
    workspace.mkdir(mode=0o700)
    diary = _diary(workspace)
    diary.open()
    early = (NOW - timedelta(days=1)).isoformat()  # before the soul's ``since``
    for id_ in (FIRST, LAST):
        diary.append([Record(id=id_, ts=early, role="user", text="x", session="s", soul="mika")])
    souls = SoulFolder(workspace / "souls")
    mika = souls.new("mika")
    other = souls.home(Rebirths(souls).begin("mika", "other"))
    config = {"since": NOW.isoformat()}
    taught = frozenset({FIRST})
    for home, body, seed in ((mika, BODY, 1), (other, OTHER, 2)):
        meta = make_meta(name=home.name, level=seed, taught=taught, config=config)
        meta = dataclasses.replace(meta, body=body.fingerprint, body_name=body.name)
        save_generation(home.folder, SoulRecord(meta, make_tensors(ranks=BOTH, seed=seed)))
    Journal(mika.journal).append(make_entry(level=3, taught=LAST))
    souls.set_active("mika")
    for day, name in enumerate(("mika", "mika-other")):
        report = SleepReport(outcome="kept", soul=name)
        Reports(workspace / "reports").keep(report, NOW + timedelta(days=day))


def _diary(workspace: Path) -> Diary:
    return Diary(workspace / "memories", lambda: NOW)


def acceptance(workspace: Path) -> Acceptance:
    """Return who accepts in it."""
    return Acceptance(
        workspace=workspace,
        diary=_diary(workspace),
        souls=SoulFolder(workspace / "souls"),
        reports=Reports(workspace / "reports"),
        clock=lambda: NOW,
    )


def state_of(workspace: Path) -> dict[str, Any]:
    """Return every soul as it is opened, with its reports, and which one is in use."""
    souls = SoulFolder(workspace / "souls")
    reports = [one.soul for one in Reports(workspace / "reports").all()]
    found: dict[str, Any] = {"active": souls.active(), "notes": (workspace / NOTE).exists()}
    for name in souls.names():
        home = souls.home(name)
        newest = home.require_newest().meta
        assert newest is not None
        body = BODY if newest.body == BODY.fingerprint else OTHER
        opened = open_soul(home.folder, body)
        assert opened is not None
        meta = opened.record.meta
        found[name] = {
            "name": meta.name,
            "body": body.name,
            "taught": sorted(meta.taught),
            "again": sorted(again_of(meta)),
            "since": since_of(meta),
            "reports": reports.count(name),
            "is_rebirth": (home.folder / FILE).exists(),
        }
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
