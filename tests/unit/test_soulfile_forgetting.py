"""A soul that forgets goes back to before it learned, and nothing leads forward again."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from sould.errors import SoulInvalid
from sould.soulfile.forgetting import base_of, forget, touched
from sould.soulfile.history import SoulHome, again_of, heard_of, meta_of, since_of
from sould.soulfile.journal import Journal
from sould.soulfile.opening import save_generation
from sould.soulfile.record import read
from sould.soulfile.taught import pack
from tests.fakes.soul_folder import NOW, after, level, names_in, newest, spoil
from tests.fakes.souls import make_entry, make_soul, undo

SINCE = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def mika(tmp_path: Path) -> SoulHome:
    home = SoulHome(tmp_path / "mika")
    home.create()
    return home


def save(home: SoulHome, *taught: str, since: str = SINCE) -> None:
    """Save a generation that was taught these; its level is their number."""
    config = {"since": since, "ours": 1}
    soul = make_soul(len(taught), level=len(taught), taught=frozenset(taught), config=config)
    save_generation(home.folder, soul)


def told_to_forget(home: SoulHome, *ids: str, again: Collection[str] = ()) -> list[int]:
    return forget(home, set(ids), again=again, now=NOW)


def test_it_is_the_newest_state_that_was_not_taught_it(mika: SoulHome) -> None:
    for taught in ("", "a", "ab", "abc", "abcd"):
        save(mika, *taught)
    weights = read(mika.number(2).path).tensors
    assert touched(mika, {"b"}) == [5, 4, 3]
    assert told_to_forget(mika, "b") == [5, 4, 3]
    now = newest(mika)
    meta = meta_of(now)
    assert (now.number, level(now), meta.taught, meta.name) == (6, 1, {"a"}, "mika")
    assert meta.config == {"why": "forget", "since": SINCE, "ours": 1}
    assert read(now.path).tensors.keys() == weights.keys()
    assert names_in(mika.folder) == ["00000001.soul", "00000002.soul", "00000006.soul", "journal"]
    assert after(mika) == meta.sha256


def test_what_was_only_heard_in_a_night_that_ended_early_goes_too(mika: SoulHome) -> None:
    save(mika, "a")
    heard = {"since": SINCE, "heard": pack(["x"])}
    night = make_soul(2, level=2, taught=frozenset("ab"), config=heard)
    save_generation(mika.folder, night)
    assert heard_of(meta_of(newest(mika))) == {"a", "b", "x"}
    assert touched(mika, {"x"}) == [2]
    assert told_to_forget(mika, "x") == [2]
    meta = meta_of(newest(mika))
    assert meta.taught == heard_of(meta) == {"a"}
    night = make_soul(1, level=1, taught=frozenset("a"), config=heard)
    save_generation(mika.folder, night)
    assert told_to_forget(mika, "z") == [] and base_of(mika, {"a"}) != base_of(
        mika, {"a"}, without={"x"}
    )
    told_to_forget(mika, "a", "x")
    assert heard_of(meta_of(newest(mika))) == frozenset()


def test_a_soul_that_begins_anew_has_heard_nothing(mika: SoulHome) -> None:
    config = {"since": SINCE, "heard": pack(["x"])}
    save_generation(mika.folder, make_soul(1, level=1, taught=frozenset("a"), config=config))
    reset = mika.reset(now=NOW)
    assert reset is not None and heard_of(meta_of(reset)) == frozenset()
    assert heard_of(meta_of(undo(mika, to=1, now=NOW))) == {"a", "x"}


def test_what_was_known_from_the_beginning_leaves_an_empty_soul(mika: SoulHome) -> None:
    save(mika, "a")
    save(mika, "a", "b", since=NOW.isoformat())
    assert told_to_forget(mika, "a", again=["b"]) == [2, 1]
    meta = meta_of(newest(mika))
    assert (meta.level, meta.taught, meta.parent, dict(meta.scores)) == (0, frozenset(), "", {})
    assert (since_of(meta), again_of(meta)) == (NOW.isoformat(), {"b"})
    assert read(newest(mika).path).tensors == {}


def test_what_waited_to_be_learned_again_still_does(mika: SoulHome) -> None:
    save(mika, "a")
    save(mika, "a", "b", "c", "d")
    told_to_forget(mika, "b", again=["c", "d"])
    soul = make_soul(2, level=2, taught=frozenset("ac"), config=dict(meta_of(newest(mika)).config))
    save_generation(mika.folder, soul)
    told_to_forget(mika, "c")
    assert again_of(meta_of(newest(mika))) == {"d"}


def test_what_only_the_journal_holds_goes_with_it(mika: SoulHome) -> None:
    save(mika, "a")
    Journal(mika.journal).append(make_entry(taught="later"))
    assert told_to_forget(mika, "later") == []
    assert meta_of(newest(mika)).taught == {"a"}
    assert after(mika) == meta_of(newest(mika)).sha256


def test_what_was_not_learned_yet_takes_nothing(mika: SoulHome) -> None:
    save(mika, "a")
    Journal(mika.journal).append(make_entry(taught="later"))
    before = {path.name: path.read_bytes() for path in mika.folder.iterdir()}
    assert told_to_forget(mika, "z") == []
    assert {path.name: path.read_bytes() for path in mika.folder.iterdir()} == before


def test_what_an_undo_left_is_removed_and_never_gone_on_from(mika: SoulHome) -> None:
    save(mika, "a")
    save(mika, "a", "x")  # left by an undo
    save(mika, "a", "b")
    assert base_of(mika, {"a"}) == mika.number(1), "not the one that was taught x"
    assert told_to_forget(mika, "x") == [2]
    assert meta_of(newest(mika)).taught == {"a", "b"}
    assert told_to_forget(mika, "b") == [3]
    assert meta_of(newest(mika)).taught == {"a"}


def test_damaged_ones_may_hold_it_and_go(mika: SoulHome) -> None:
    for taught in ("a", "ab", "abc"):
        save(mika, *taught)
    spoil(mika.number(1).path)
    draft = mika.folder / ".00000004.soul.1-0a1b2c3d.new"
    draft.write_bytes(b"half")
    assert told_to_forget(mika, "c") == [3, 1]
    assert not draft.exists() and meta_of(newest(mika)).taught == {"a", "b"}


def test_an_undo_and_a_copy_do_not_learn_again(mika: SoulHome) -> None:
    save(mika, "a")
    save(mika, "a", "b")
    told_to_forget(mika, "a", again=["b"])
    save(mika)
    assert again_of(meta_of(undo(mika, to=3, now=NOW))) == frozenset()


def test_without_a_sound_generation_nothing_is_removed(mika: SoulHome) -> None:
    save(mika, "a")
    spoil(mika.number(1).path)
    with pytest.raises(SoulInvalid):
        told_to_forget(mika, "a")
    assert "00000001.soul" in names_in(mika.folder)
