"""A reborn soul takes its name, killed at any moment: not begun, or finished at the next start."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fakes.kill_accepting import FIRST, LAST, NOW
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
