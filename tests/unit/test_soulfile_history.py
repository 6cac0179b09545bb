"""One soul's folder: generations numbered, passed over, pruned and gone back to."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sould.errors import SoulInvalid, SoulMissing
from sould.soulfile.history import SoulHome
from sould.soulfile.journal import Journal, JournalEntry
from sould.soulfile.opening import save_generation
from sould.soulfile.record import SoulRecord, read
from tests.fakes.soul_folder import NOW, after, grow, level, newest, spoil
from tests.fakes.souls import learned, make_entry, make_soul, make_tensors, same, undo


@pytest.fixture
def mika(tmp_path: Path) -> SoulHome:
    home = SoulHome(tmp_path / "mika")
    home.create()
    return home


def test_generations_are_numbered_upwards(mika: SoulHome) -> None:
    assert (mika.generations(), mika.newest()) == ([], (None, []))
    assert mika.next_path() == (1, mika.folder / "00000001.soul")
    metas = grow(mika, 3)
    assert [found.number for found in mika.generations()] == [3, 2, 1]
    assert [found.meta for found in mika.generations()] == metas[::-1]
    assert newest(mika) == mika.generations()[0] == mika.number(3)
    assert newest(mika).size_bytes == newest(mika).path.stat().st_size
    assert after(mika) == metas[-1].sha256


def test_files_that_are_no_generations_are_not_counted(mika: SoulHome) -> None:
    grow(mika, 2)
    for name in ("00000000.soul", "9.soul", "000000009.soul", "00000009.soul.bak", "x.soul",
                 ".00000009.soul.1-0a1b2c3d.new"):  # fmt: skip
        (mika.folder / name).write_bytes(b"")
    assert [found.number for found in mika.generations()] == [2, 1]
    assert mika.next_path()[0] == 3


def test_numbers_may_grow_beyond_eight_digits(mika: SoulHome) -> None:
    (meta,) = grow(mika)
    mika.number(1).path.rename(mika.folder / "99999999.soul")
    assert mika.next_path() == (100_000_000, mika.folder / "100000000.soul")
    grow(mika)
    assert [found.number for found in mika.generations()] == [100_000_000, 99_999_999]
    assert newest(mika).meta and newest(mika).meta.parent == meta.sha256  # type: ignore[union-attr]


def test_damaged_generations_are_passed_over_with_a_note(mika: SoulHome) -> None:
    grow(mika, 4)
    spoil(mika.folder / "00000004.soul")
    (mika.folder / "00000003.soul").write_bytes(b"")
    found, notes = mika.newest()
    assert found and found.number == 2
    assert len(notes) == 2
    assert notes[0].startswith("generation 4 cannot be used and is passed over: ")
    assert "00000004.soul: is damaged: its checksum" in notes[0]
    assert "00000003.soul: is truncated" in notes[1]
    problems = [found.problem for found in mika.generations()]  # what a header tells
    assert problems[0] == "" and "truncated" in problems[1] and problems[2:] == ["", ""]
    assert mika.next_path()[0] == 5


def test_a_folder_among_the_generations_is_passed_over(mika: SoulHome) -> None:
    grow(mika)
    (mika.folder / "00000002.soul").mkdir()
    found, notes = mika.newest()
    assert found and found.number == 1 and "is not a file" in notes[0]


def test_a_generation_by_its_number(mika: SoulHome) -> None:
    with pytest.raises(SoulMissing, match="has no generation 1: none is saved yet"):
        mika.number(1)
    grow(mika, 3)
    assert level(mika.number(2)) == 2
    with pytest.raises(SoulMissing, match="'mika' has no generation 4: 1 to 3 are kept"):
        mika.number(4)
    spoil(mika.folder / "00000002.soul")
    with pytest.raises(SoulInvalid, match=r"00000002\.soul: is damaged"):
        mika.number(2)


def test_no_folder(tmp_path: Path) -> None:
    nobody = SoulHome(tmp_path / "nobody")
    for ask in (nobody.generations, nobody.newest, nobody.next_path):
        with pytest.raises(SoulMissing, match="no soul 'nobody'"):
            ask()


# Undo


def test_undo_writes_the_older_state_anew(mika: SoulHome) -> None:
    first, second = grow(mika, 2)
    undone = undo(mika, now=NOW)
    meta = undone.meta
    assert meta and undone == newest(mika) and undone.number == 3
    assert same(SoulRecord(first, read(undone.path).tensors), read(mika.number(1).path))
    assert (meta.level, meta.taught, meta.parent) == (first.level, first.taught, first.parent)
    assert (meta.created, meta.saved) == (first.created, "2026-03-04T05:06:07+09:00")
    since = {"why": "undo", "since": "2026-03-04T05:06:07+09:00"}
    assert meta.config == {**first.config, **since}
    assert meta.sha256 not in (first.sha256, second.sha256)
    assert after(mika) == meta.sha256
    assert undone.path.stat().st_mode & 0o777 == 0o600


def test_undo_again_goes_further_back(mika: SoulHome) -> None:
    grow(mika, 3)
    assert level(undo(mika, now=NOW)) == 2
    assert level(undo(mika, now=NOW)) == 1
    with pytest.raises(SoulMissing, match="can go back 0 generations, not 1: at generation 5"):
        undo(mika, now=NOW)
    assert [level(found) for found in mika.generations()] == [1, 2, 3, 2, 1]


def test_undo_several_steps(mika: SoulHome) -> None:
    grow(mika, 4)
    assert level(undo(mika, steps=2, now=NOW)) == 2
    with pytest.raises(SoulMissing, match=r"can go back 1 generations, not 5: .* it is the first"):
        undo(mika, steps=5, now=NOW)
    assert level(undo(mika, now=NOW)) == 1


def test_what_is_learned_after_an_undo_is_undone_first(mika: SoulHome) -> None:
    grow(mika, 2)
    undo(mika, now=NOW)  # 3, as 1 is
    grow(mika)  # 4
    assert level(undo(mika, now=NOW)) == 1
    with pytest.raises(SoulMissing):
        undo(mika, now=NOW)


def test_undo_to_any_generation_and_forward_again(mika: SoulHome) -> None:
    grow(mika, 3)
    assert level(undo(mika, to=1, now=NOW)) == 1
    assert level(undo(mika, to=3, now=NOW)) == 3
    assert level(undo(mika, now=NOW)) == 2  # before the third came the second
    with pytest.raises(SoulMissing, match="no generation 77"):
        undo(mika, to=77, now=NOW)


def test_what_the_journal_holds_is_not_lost_by_an_undo(mika: SoulHome) -> None:
    first, second = grow(mika, 2)
    entry = make_entry(level=20)
    Journal(mika.journal).append(entry)
    undone = undo(mika, now=NOW)
    assert (undone.number, level(undone)) == (4, 2)  # the state before the journal
    assert undone.meta and undone.meta.parent == first.sha256
    kept = read(mika.number(3).path)
    generation = read(mika.number(2).path)
    whole = learned(generation, entry)
    assert same(SoulRecord(whole.meta, kept.tensors), whole)
    assert (kept.meta.level, kept.meta.taught) == (20, whole.meta.taught)
    assert kept.meta.parent == second.sha256
    assert kept.meta.config == {**second.config, "why": "undo"}  # what waited still waits
    assert level(undo(mika, to=3, now=NOW)) == 20


def test_the_journal_of_another_generation_is_not_kept(mika: SoulHome) -> None:
    grow(mika, 2)
    Journal(mika.journal).begin("07" * 32)
    Journal(mika.journal).append(make_entry(level=20))
    assert mika.keep_journal(now=NOW, why="save") is None
    assert (undo(mika, now=NOW).number, level(newest(mika))) == (3, 1)


def test_a_journal_that_fits_no_generation_does_not_stand_in_the_way(
    mika: SoulHome, caplog: pytest.LogCaptureFixture
) -> None:
    grow(mika, 2)
    entry = make_entry()
    shapes = dict(list(entry.shapes.items())[:-1])
    Journal(mika.journal).append(
        JournalEntry(taught=entry.taught, level=9, shapes=shapes, data=entry.data[:-1])
    )
    with caplog.at_level(logging.WARNING):
        assert (undo(mika, now=NOW).number, level(newest(mika))) == (3, 1)
    assert "journal of soul 'mika' cannot be used" in caplog.text


def test_the_journal_of_a_soul_without_a_fast_part_brings_one(mika: SoulHome) -> None:
    soul = make_soul()
    record = SoulRecord(soul.meta, make_tensors(ranks={"slow": 2}))
    save_generation(mika.folder, record)
    entry = make_entry(rank=2)
    Journal(mika.journal).append(entry)
    kept = mika.keep_journal(now=NOW, why="save")
    assert kept and set(read(kept.path).tensors) == {*record.tensors, *entry.shapes}


def test_undo_does_not_go_back_to_what_is_damaged(mika: SoulHome) -> None:
    grow(mika, 3)
    spoil(mika.folder / "00000002.soul")
    with pytest.raises(SoulInvalid, match=r"00000002\.soul: is damaged"):
        undo(mika, now=NOW)
    assert newest(mika).number == 3
    assert level(undo(mika, to=1, now=NOW)) == 1


def test_undo_from_a_damaged_generation(mika: SoulHome) -> None:
    grow(mika, 3)
    spoil(mika.folder / "00000003.soul")
    assert level(undo(mika, now=NOW)) == 1  # the second is the state it was left in


def test_undo_beyond_what_is_kept(mika: SoulHome) -> None:
    grow(mika, 4)
    mika.prune(2)
    assert level(undo(mika, now=NOW)) == 3
    with pytest.raises(SoulMissing, match="what it grew from is not kept"):
        undo(mika, now=NOW)


def test_nothing_to_undo(mika: SoulHome) -> None:
    with pytest.raises(SoulMissing, match="'mika' has no generation yet"):
        undo(mika, now=NOW)
    grow(mika)
    spoil(mika.folder / "00000001.soul")
    with pytest.raises(SoulInvalid, match=r"no generation that can be used.*is damaged"):
        undo(mika, now=NOW)


# Reset


def test_reset_begins_anew_and_can_be_undone(mika: SoulHome) -> None:
    assert mika.reset(now=NOW) is None
    _, second = grow(mika, 2)
    found = mika.reset(now=NOW)
    assert found and found == newest(mika)
    record = read(found.path)
    assert record.tensors == {}
    meta = record.meta
    assert (meta.level, meta.taught, meta.scores) == (0, frozenset(), {})
    assert (meta.parent, meta.created, meta.body) == (second.sha256, second.created, second.body)
    assert (meta.config["why"], meta.config["since"]) == ("reset", NOW.isoformat())
    assert after(mika) == meta.sha256
    assert level(undo(mika, now=NOW)) == 2


def test_what_the_journal_holds_is_not_lost_by_a_reset(mika: SoulHome) -> None:
    grow(mika)
    Journal(mika.journal).append(make_entry(level=20))
    mika.reset(now=NOW)
    assert [level(found) for found in mika.generations()] == [0, 20, 1]
    assert level(undo(mika, now=NOW)) == 20


def test_reset_of_what_is_damaged(mika: SoulHome) -> None:
    grow(mika)
    spoil(mika.folder / "00000001.soul")
    with pytest.raises(SoulInvalid, match="no generation that can be used"):
        mika.reset(now=NOW)


# Pruning


def test_pruning_keeps_the_newest(mika: SoulHome) -> None:
    grow(mika, 5)
    assert mika.prune(5) == []
    assert mika.prune(2) == [3, 2, 1]
    assert [found.number for found in mika.generations()] == [5, 4]
    assert mika.next_path()[0] == 6


def test_pruning_never_takes_the_newest_sound_one(mika: SoulHome) -> None:
    grow(mika, 4)
    for number in (3, 4):
        (mika.folder / f"{number:08}.soul").write_bytes(b"")
    assert mika.prune(1) == [1]
    (mika.folder / "00000002.soul").write_bytes(b"")
    assert mika.prune(1) == []
