"""What forgetting takes, planned from the diary and the files of a soul."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from soul_client.wire import Reincarnated
from sould.bridge import Mark
from sould.soulfile.forgetting import touched
from sould.soulfile.history import SoulHome
from sould.soulfile.home import SoulFolder
from sould.soulfile.opening import save_generation
from sould.supervisor.diary import Diary, Record
from sould.supervisor.erasing import MOST_AGAIN, Eraser
from sould.supervisor.rebirths import Rebirth, Rebirths
from tests.fakes.soul_folder import newest
from tests.fakes.souls import make_soul

NOON = datetime.fromisoformat("2026-11-23T12:00:00+09:00")


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    diary = Diary(tmp_path / "memories", lambda: NOON)
    diary.open()
    return diary


def record(id_: str, text: str, imported: str = "") -> Record:
    ts = "2026-01-02T03:04:05+00:00"
    return Record(
        role="user", id=id_, text=text, session="s", soul="mika", ts=ts, imported=imported
    )


def test_what_was_imported_comes_again_in_nights_however_much_it_is(
    tmp_path: Path, diary: Diary
) -> None:
    souls = SoulFolder(tmp_path / "souls")
    ids = [f"20250102T030405-{n:08x}u" for n in range(MOST_AGAIN + 2)]
    imported = NOON.isoformat()
    diary.append([record(ids[0], "a secret", imported)])
    diary.append([record(id_, "small talk", imported) for id_ in ids[1:]])
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


def test_what_the_soul_is_being_reborn_as_forgets_too(tmp_path: Path, diary: Diary) -> None:
    diary.append([record("old", "small talk"), record("x", "a secret"), record("y", "news")])
    souls = SoulFolder(tmp_path / "souls")
    (tmp_path / "souls").mkdir()
    SoulHome(tmp_path / "souls" / "mika").create()
    rebirths = Rebirths(souls)
    reborn = rebirths.begin("mika", "other-body")
    SoulHome(tmp_path / "souls" / "copy").create()
    for name in ("mika", reborn, "copy"):
        for taught in ({"old"}, {"old", "x"}, {"old", "x", "y"}):
            soul = make_soul(len(taught), level=len(taught), taught=frozenset(taught))
            save_generation(souls.home(name).folder, soul)
    mark = Mark(says=True, log_p=-0.1)
    card = Reincarnated(
        soul="mika", reborn=reborn, body="other-body", old_body="b", records=3, learned=3
    )
    rebirths.put(
        reborn,
        Rebirth(
            of="mika",
            body="other-body",
            asked=["x", "y"],
            before={"x": mark, "y": mark},
            card=card,
        ),
    )
    eraser = Eraser(workspace=tmp_path, diary=diary, souls=souls, clock=lambda: NOON)
    plan = eraser.plan("mika", {"old", "x", "y"}, "secret")
    assert (plan.others, plan.reborn) == (["copy"], [reborn])
    eraser.begin(plan.note)
    eraser.finish()
    for name, taught in (("mika", {"old"}), (reborn, {"old"}), ("copy", {"old", "x", "y"})):
        meta = newest(souls.home(name)).meta
        assert meta is not None and meta.taught == taught
    left = rebirths.get(reborn)
    assert (left.card, left.asked, left.before) == (None, ["y"], {"y": mark})
    assert touched(souls.home(reborn), {"x"}) == []
