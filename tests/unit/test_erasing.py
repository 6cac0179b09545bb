"""What forgetting takes, planned from the diary and the files of a soul."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from sould.soulfile.history import SoulHome
from sould.soulfile.home import SoulFolder
from sould.soulfile.opening import save_generation
from sould.supervisor.diary import Diary, Record
from sould.supervisor.erasing import MOST_AGAIN, Eraser
from tests.fakes.souls import make_soul

NOON = datetime.fromisoformat("2026-11-23T12:00:00+09:00")


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    diary = Diary(tmp_path / "memories", lambda: NOON)
    diary.open()
    return diary


def test_what_was_imported_comes_again_in_nights_however_much_it_is(
    tmp_path: Path, diary: Diary
) -> None:
    souls = SoulFolder(tmp_path / "souls")
    ids = [f"20250102T030405-{n:08x}u" for n in range(MOST_AGAIN + 2)]
    diary.append(
        [
            Record(
                role="user",
                id=id_,
                text="a secret" if id_ == ids[0] else "small talk",
                session="s",
                soul="mika",
                ts="2025-01-02T03:04:05+00:00",
                imported=NOON.isoformat(),
            )
            for id_ in ids
        ]
    )
    (tmp_path / "souls").mkdir()
    home = SoulHome(tmp_path / "souls" / "mika")
    home.create()
    soul = make_soul(1, taught=frozenset(ids), config={"since": "2026-01-01T00:00:00+00:00"})
    save_generation(home.folder, soul)
    eraser = Eraser(workspace=tmp_path, diary=diary, souls=souls, clock=lambda: NOON)
    plan = eraser.plan("mika", frozenset(ids), "secret")
    assert [one.id for one in plan.found.told] == ids[:1]
    assert (plan.relearned, plan.lost, plan.note.again) == (MOST_AGAIN + 1, 0, [])
    assert plan.generations == [1]
