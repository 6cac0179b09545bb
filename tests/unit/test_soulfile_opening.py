"""A soul opened: the newest sound generation, and its journal bit by bit."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sould.errors import SoulInvalid, SoulMismatch, SoulMissing, StorageError
from sould.soulfile.history import SoulHome
from sould.soulfile.journal import Journal, JournalEntry
from sould.soulfile.layout import tensor_shapes
from sould.soulfile.limits import MAX_NORM
from sould.soulfile.opening import Opened, open_soul, save_generation
from sould.soulfile.record import SoulRecord, read
from tests.fakes.soul_folder import spoil
from tests.fakes.souls import (
    BODY,
    TINY,
    edited,
    learned,
    make_entry,
    make_meta,
    make_soul,
    make_tensors,
    same,
)


@pytest.fixture
def home(tmp_path: Path) -> SoulHome:
    home = SoulHome(tmp_path / "mika")
    home.create()
    return home


def opened(home: SoulHome) -> Opened:
    found = open_soul(home.folder, BODY)
    assert found is not None
    return found


def save(home: SoulHome, seed: int = 0, **changes: object) -> SoulRecord:
    soul = make_soul(seed=seed, **changes)
    _, meta = save_generation(home.folder, soul)
    return SoulRecord(meta, soul.tensors)


def test_a_new_soul(home: SoulHome) -> None:
    assert open_soul(home.folder, BODY) is None
    assert list(home.folder.iterdir()) == []
    with pytest.raises(SoulMissing, match="no soul 'nobody'"):
        open_soul(home.folder.with_name("nobody"), BODY)


def test_what_was_saved_is_opened(home: SoulHome) -> None:
    for number in (1, 2):
        soul = save(home, seed=number)
        found = opened(home)
        assert (found.number, found.is_journaled, found.notes) == (number, False, ())
        assert same(found.record, soul)


def test_the_journal_is_applied_bit_by_bit(home: SoulHome) -> None:
    soul = save(home)
    journal = Journal(home.journal)
    journal.begin(soul.meta.sha256)
    for level in (2000, 3000):
        entry = make_entry(seed=level, level=level, taught=f"at {level}")
        journal.append(entry)
        found = opened(home)
        assert (found.number, found.is_journaled, found.notes) == (1, True, ())
        assert same(found.record, learned(soul, entry))
        assert found.record.meta.taught == soul.meta.taught | {f"at {level}"}
        assert found.record.meta.sha256 == soul.meta.sha256
    for array in found.record.tensors.values():
        array += 1


@pytest.mark.parametrize("rank", [1, 3])
def test_the_first_fast_part_comes_with_the_journal(home: SoulHome, rank: int) -> None:
    soul = SoulRecord(make_meta(), make_tensors(ranks={"slow": 2}))
    save_generation(home.folder, soul)
    Journal(home.journal).append(make_entry(rank=rank))
    shapes = tensor_shapes(TINY, {"slow": 2, "fast": rank})
    tensors = opened(home).record.tensors
    assert {name: array.shape for name, array in tensors.items()} == shapes


def test_an_entry_without_tensors_is_an_empty_fast_part(home: SoulHome) -> None:
    save(home)
    entry = JournalEntry(taught=frozenset({"hm"}), level=7, shapes={}, data=[])
    Journal(home.journal).append(entry)
    found = opened(home)
    assert found.is_journaled and set(found.record.tensors) == set(make_tensors(ranks={"slow": 2}))


def test_what_was_opened_can_be_saved(home: SoulHome) -> None:
    soul = save(home)
    entry = make_entry()
    Journal(home.journal).append(entry)
    number, meta = save_generation(home.folder, opened(home).record)
    found = opened(home)
    assert (number, found.number, found.is_journaled) == (2, 2, False)
    whole = learned(soul, entry)
    assert same(found.record, SoulRecord(meta, whole.tensors))


def test_saving_prunes(home: SoulHome) -> None:
    for _ in range(3):
        save(home)
    save_generation(home.folder, make_soul(), keep=2)
    assert [found.number for found in home.generations()] == [4, 3]


def test_the_journal_of_an_older_generation_does_not_count(home: SoulHome) -> None:
    """Killed after the generation and before its journal was begun."""
    save(home)
    Journal(home.journal).append(make_entry(level=5000))
    old = home.journal.read_bytes()
    second = save(home, seed=1)
    home.journal.write_bytes(old)
    found = opened(home)
    assert (found.is_journaled, found.notes) == (False, ())
    assert same(found.record, second)
    Journal(home.journal).append(make_entry(level=6000))  # it has been begun anew
    assert opened(home).record.meta.level == 6000


def test_no_journal_yet(home: SoulHome) -> None:
    save(home)
    home.journal.unlink()
    assert opened(home).notes == ()
    Journal(home.journal).append(make_entry(level=6000))
    assert opened(home).record.meta.level == 6000


def test_a_torn_journal_is_mended_and_noted(home: SoulHome) -> None:
    soul = save(home)
    Journal(home.journal).append(make_entry(level=2000))
    Journal(home.journal).append(make_entry(level=3000))
    home.journal.write_bytes(home.journal.read_bytes()[:-5])
    found = opened(home)
    assert found.is_journaled and same(found.record, learned(soul, make_entry(level=2000)))
    (note,) = found.notes
    assert "of the journal were torn" in note and "to be learned again" in note
    assert opened(home).notes == ()


# Journals that cannot be used


def check_dropped(home: SoulHome, soul: SoulRecord, why: str) -> None:
    found = opened(home)
    assert same(found.record, soul) and not found.is_journaled
    (note,) = found.notes
    assert "the journal cannot be used and is dropped" in note and why in note
    assert opened(home).notes == ()
    Journal(home.journal).append(make_entry(level=7000))
    assert opened(home).record.meta.level == 7000


def make_odd(change: str) -> JournalEntry:
    entry = make_entry()
    arrays = {
        name: np.frombuffer(data, "<f4").reshape(shape).copy()
        for (name, shape), data in zip(entry.shapes.items(), entry.data, strict=True)
    }
    name = "layers.1.down.fast.A"
    match change:
        case "missing":
            del arrays[name]
        case "wide":
            arrays[name] = np.zeros((1, 7), np.float32)
        case "rank":
            arrays[name] = np.zeros((2, 6), np.float32)
        case "strange":
            arrays["layers.2.down.fast.A"] = arrays[name]
        case "nan":
            arrays[name][0, 0] = np.nan
        case "norm":
            arrays[name].fill(MAX_NORM)
    return JournalEntry(
        taught=entry.taught,
        level=entry.level,
        shapes={name: (array.shape[0], array.shape[1]) for name, array in arrays.items()},
        data=[array.tobytes() for array in arrays.values()],
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("missing", "layers.1.down.fast.A: missing"),
        ("wide", "shape (1, 7), expected (1, 6)"),
        ("rank", "shape (2, 6), expected (1, 6)"),
        ("strange", "layers.2.down.fast.A: unexpected"),
        ("nan", "not finite"),
        ("norm", "has the norm"),
    ],
)
def test_an_entry_that_does_not_fit_is_dropped(home: SoulHome, change: str, why: str) -> None:
    soul = save(home)
    Journal(home.journal).append(make_odd(change))
    check_dropped(home, soul, why)


@pytest.mark.parametrize("raw", [b"", b"garbage", bytes(range(200))])
def test_what_is_no_journal_is_replaced(home: SoulHome, raw: bytes) -> None:
    soul = save(home)
    home.journal.write_bytes(raw)
    check_dropped(home, soul, "what is there is none")


# Bodies


def test_a_soul_of_another_body_is_refused(home: SoulHome) -> None:
    save(home)
    save(home, body="a71e" * 16, body_name="qwen2.5-0.5b")
    Journal(home.journal).append(make_entry())
    before = home.journal.read_bytes()
    with pytest.raises(SoulMismatch, match="was grown on body qwen"):  # not the older one instead
        open_soul(home.folder, BODY)
    assert home.journal.read_bytes() == before


def test_sizes_that_are_not_those_of_the_body_are_refused(home: SoulHome) -> None:
    save(home)
    wider = dataclasses.replace(BODY, dims=dataclasses.replace(TINY, d_ff=7))
    with pytest.raises(SoulInvalid, match="but with sizes"):
        open_soul(home.folder, wider)


# Damage


def test_a_damaged_generation_falls_back_and_says_so(home: SoulHome) -> None:
    first = save(home)
    save(home, seed=1)
    Journal(home.journal).append(make_entry(level=5000))
    spoil(home.folder / "00000002.soul")
    found = opened(home)
    assert (found.number, found.is_journaled) == (1, False)
    assert same(found.record, first)
    (note,) = found.notes
    assert note.startswith("generation 2 cannot be used and is passed over: ")
    number, _ = save_generation(home.folder, found.record)
    assert number == 3
    assert opened(home).notes == ()


def test_the_journal_of_the_generation_fallen_back_to_counts(home: SoulHome) -> None:
    first = save(home)
    Journal(home.journal).append(make_entry(level=5000))
    old = home.journal.read_bytes()
    save(home, seed=1)
    home.journal.write_bytes(old)
    spoil(home.folder / "00000002.soul")
    assert same(opened(home).record, learned(first, make_entry(level=5000)))


def test_weights_that_are_not_sound_are_passed_over_whatever_the_seal(home: SoulHome) -> None:
    first = save(home)
    save(home, seed=1)
    path = home.folder / "00000002.soul"
    raw = path.read_bytes()
    nan = np.float32(np.nan).tobytes()
    end = 8 + int.from_bytes(raw[:8], "little")
    path.write_bytes(edited(raw, lambda _: None, raw[end:-4] + nan))
    found = opened(home)
    assert same(found.record, first) and "not finite" in found.notes[0]


def test_nothing_sound_is_not_taken_for_a_new_soul(home: SoulHome) -> None:
    save(home)
    save(home)
    for number in (1, 2):
        spoil(home.folder / f"{number:08}.soul")
    with pytest.raises(SoulInvalid, match=r"'mika' has no generation that can be used; gen.* 2 "):
        open_soul(home.folder, BODY)


# Saving that fails


def test_nothing_unsound_is_saved(home: SoulHome) -> None:
    soul = save(home)
    Journal(home.journal).append(make_entry())
    there = {path.name: path.read_bytes() for path in home.folder.iterdir()}
    bad = make_soul(seed=1)
    bad.tensors["layers.1.down.fast.A"].fill(np.nan)
    with pytest.raises(SoulInvalid, match="not finite"):
        save_generation(home.folder, bad, keep=1)
    assert {path.name: path.read_bytes() for path in home.folder.iterdir()} == there
    assert same(opened(home).record, learned(soul, make_entry()))


def test_without_a_journal_no_generation_is_saved(home: SoulHome) -> None:
    first = save(home)
    home.journal.unlink()
    home.journal.mkdir()
    with pytest.raises(StorageError, match="journal cannot be written"):
        save_generation(home.folder, make_soul(seed=1))
    assert [found.number for found in home.generations()] == [1]
    home.journal.rmdir()
    assert same(read(home.folder / "00000001.soul"), first)
    save(home)


def test_no_folder_to_save_to(home: SoulHome) -> None:
    with pytest.raises(SoulMissing):
        save_generation(home.folder.with_name("nobody"), make_soul())
