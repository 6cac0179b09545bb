"""A reborn soul takes its name, killed at any moment: not begun, or finished at the next start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sould.errors import StorageError
from sould.soulfile.meta import SoulMeta
from sould.soulfile.writing import restamp
from sould.supervisor.reports import Reports
from tests.fakes.kill_accepting import FIRST, LAST, NOW, acceptance, prepare, state_of
from tests.fakes.souls import BODY
from tests.fault.test_soulfile_faults import run

OLD = {
    "body": BODY.name,
    "taught": [FIRST, LAST],
    "again": [],
    "since": NOW.isoformat(),
    "reports": 1,
    "is_rebirth": False,
}
NEW = {**OLD, "body": "other", "taught": [FIRST]}
UNTOUCHED = {
    "active": "mika",
    "notes": False,
    "mika": {**OLD, "name": "mika"},
    "mika-other": {**NEW, "name": "mika-other", "is_rebirth": True},
}
DONE = {
    "active": "mika",
    "notes": False,
    "mika": {**NEW, "name": "mika", "again": [LAST]},
    "mika-before": {**OLD, "name": "mika-before"},
}


def test_killed_anywhere_it_is_finished_or_was_never_begun(tmp_path: Path) -> None:
    lines = run(sys.executable, "-m", "tests.fakes.kill_accepting", tmp_path)
    assert len(lines) >= 15
    assert [line["killed"] for line in lines].count(False) == 1
    for line in lines:
        is_begun = line["noted"] or "mika-before" in line["after_kill"]
        assert line["after_start"] == (DONE if is_begun else UNTOUCHED)
    assert {line["noted"] for line in lines} == {False, True}
    assert lines[0]["after_start"] == UNTOUCHED and lines[-1]["after_kill"] == DONE


@pytest.mark.parametrize("room", [0, 1])
def test_on_a_full_disk_no_name_is_given_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """``room``: for so many souls."""
    workspace, written = tmp_path / "workspace", list[Path]()
    prepare(workspace)

    def write(source: Path, to: Path, meta: SoulMeta) -> SoulMeta:
        if len(written) == room:
            raise StorageError("no room")
        written.append(to)
        return restamp(source, to, meta)

    monkeypatch.setattr("sould.supervisor.accepting.restamp", write)
    with pytest.raises(StorageError, match="no room"):
        acceptance(workspace).accept("mika", "mika-other")
    acceptance(workspace).finish_what_was_begun()
    assert state_of(workspace).keys() == {"active", "notes", "mika", "mika-other"}
    monkeypatch.undo()
    assert acceptance(workspace).accept("mika", "mika-other") == "mika-before"
    assert state_of(workspace) == DONE


def test_reports_that_have_no_room_do_not_keep_a_name_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path / "workspace")

    def rename(reports: Reports, soul: str, to: str) -> None:
        if to == "mika":
            raise StorageError("no room")
        known(reports, soul, to)

    known = Reports.rename
    monkeypatch.setattr(Reports, "rename", rename)
    with pytest.raises(StorageError, match="no room"):
        acceptance(tmp_path / "workspace").accept("mika", "mika-other")
    assert state_of(tmp_path / "workspace").keys() == {"active", "notes", "mika", "mika-before"}
    monkeypatch.undo()
    acceptance(tmp_path / "workspace").finish_what_was_begun()
    assert state_of(tmp_path / "workspace") == DONE
