"""Forgetting killed at any moment: not begun, or finished at the next start; nothing else lost."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fakes.kill_forgetting import FIRST, LAST, SECRET
from tests.fault.test_soulfile_faults import run

OTHERS = [f"{id_}{role}" for id_ in (FIRST, LAST) for role in "ua"]
DONE = {
    "level": 1,
    "taught": [f"{FIRST}u"],
    "ids": OTHERS,
    "holding": [],
    "fits": False,
    "drafts": 0,
    "generations": ["00000001.soul", "00000003.soul"],
}


def test_killed_anywhere_it_is_finished_or_was_never_begun(tmp_path: Path) -> None:
    lines = run(sys.executable, "-m", "tests.fakes.kill_forgetting", tmp_path)
    assert len(lines) >= 15
    assert [line["killed"] for line in lines].count(False) == 1
    begun = [line["noted"] or line["after_kill"]["level"] == 1 for line in lines]
    assert begun == sorted(begun) and {False, True} == set(begun)
    for line, is_begun in zip(lines, begun, strict=True):
        for state in (line["after_kill"], line["after_start"]):
            assert set(OTHERS) <= set(state["ids"])
            assert f"{FIRST}u" in state["taught"]
        if is_begun:
            assert line["after_start"] == DONE
        else:
            assert line["after_start"] == line["after_kill"]
            assert line["after_start"]["level"] == 3 and f"{SECRET}u" in line["after_start"]["ids"]
