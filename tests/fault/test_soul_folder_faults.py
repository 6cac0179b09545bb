"""What changes a soul's folder is killed or finds no room: the old state is there, or the new."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fault.test_soulfile_faults import IN_A_NAMESPACE, has_namespaces, run

# What 'mika' and the others are opened as, by level: before the change, and after it.
OLD: dict[str, int] = {"mika": 3}
NEW: dict[str, dict[str, int]] = {
    "save": {"mika": 4},
    "append": {"mika": 4},
    "renew": {"mika": 4},
    "undo": {"mika": 1},
    "import": {"mika": 3, "yuki": 2},
}


@pytest.mark.parametrize("what", NEW)
def test_killed_between_any_two_steps_the_old_or_the_new_is_opened(
    tmp_path: Path, what: str
) -> None:
    lines = run(sys.executable, "-m", "tests.fakes.kill_saving", tmp_path, what)
    assert len(lines) > 100
    assert [line["killed"] for line in lines].count(False) == 1
    is_new = [line["after_kill"] == NEW[what] for line in lines]
    assert all(new or line["after_kill"] == OLD for new, line in zip(is_new, lines, strict=True))
    assert is_new == sorted(is_new) and {False, True} == set(is_new)
    if what != "append":  # which writes no draft
        assert any(line["left"] for line in lines)  # drafts were cut off …
    for line in lines:
        assert line["after_next"] == NEW[what]
        assert line["left_next"] == 0  # … and are removed
        if what == "undo":
            assert 3 in line["generations"]  # what only the journal held can be gone back to


def test_a_full_disk_keeps_the_old_state_and_is_named(tmp_path: Path) -> None:
    if not has_namespaces():
        pytest.skip("a file system of our own needs user namespaces")
    module = [sys.executable, "-m", "tests.fakes.save_in_little_room"]
    (report,) = run(*IN_A_NAMESPACE, *module, tmp_path, "mount")
    check_refusals(report, tmp_path / "mika", "No space left on device")


def test_what_the_system_refuses_to_write_keeps_the_old_state(tmp_path: Path) -> None:
    module = [sys.executable, "-m", "tests.fakes.save_in_little_room"]
    (report,) = run(*module, tmp_path, "limit")
    check_refusals(report, tmp_path / "mika", "File too large")


def check_refusals(report: dict[str, Any], folder: Path, reason: str) -> None:
    path, journal = folder / "00000002.soul", folder / "journal"
    said = f"soul 'mika' is not saved: {path} cannot be written: {reason}"
    assert report["save"]["said"] == said
    for what in ("append", "renew"):
        assert report[what]["said"] == f"{journal} cannot be written: {reason}"
    for what in ("save", "append", "renew"):
        assert report[what]["kept"]
        assert report[what]["left"] == ["00000001.soul", "journal"]
    assert report["appended_later"] and report["saved_later"]
