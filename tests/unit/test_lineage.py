"""What a soul grew from, and which records are looked at for an answer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from soul_client.wire import RecordRise
from sould.soulfile.history import SoulHome, meta_of
from sould.soulfile.record import write
from sould.supervisor import lineage
from sould.supervisor.diary import Diary, Record
from sould.supervisor.provenance import shown
from tests.fakes.souls import make_soul, undo

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
A, B, C = (f"2026050{day}T120000-9a0bcafeu" for day in (1, 2, 3))


@pytest.fixture
def home(tmp_path: Path) -> SoulHome:
    home = SoulHome(tmp_path / "mika")
    home.create()
    return home


def grow(home: SoulHome, *taught: str) -> str:
    """Write the next generation, grown from the newest; return its seal."""
    newest, _ = home.newest()
    parent = meta_of(newest).sha256 if newest else ""
    soul = make_soul(parent=parent, taught=frozenset(taught), level=len(taught), config={})
    return meta_of(home.add(lambda path: write(path, soul))).sha256


def numbers(home: SoulHome) -> tuple[list[int], bool]:
    line = lineage.read(home)
    return [one.number for one in line.generations], line.is_whole


def test_it_begins_where_nothing_had_been_taught(home: SoulHome) -> None:
    grow(home)
    assert numbers(home) == ([], True)
    grow(home, A)
    grow(home, A, B)
    assert numbers(home) == ([2, 3], True)
    line = lineage.read(home)
    assert [set(line.new_in(n)) for n in (0, 1)] == [{A}, {B}]
    assert [line.first_taught(id_) for id_ in (A, B, C)] == [2, 3, 0]


def test_what_was_undone_or_forgotten_is_not_in_it(home: SoulHome) -> None:
    grow(home)
    grow(home, A)
    grow(home, A, B)
    undo(home, now=NOW)
    assert numbers(home) == ([2], True)  # 4 is 2 again
    grow(home, A, C)
    assert numbers(home) == ([2, 5], True)
    home.reset(now=NOW)
    assert numbers(home) == ([], True)
    grow(home, C)
    assert numbers(home) == ([7], True)


def test_what_is_not_kept_or_damaged_is_told(home: SoulHome) -> None:
    grow(home)
    for taught in ([A], [A, B], [A, B, C]):
        grow(home, *taught)
    home.prune(3)
    assert numbers(home) == ([2, 3, 4], False)
    path = home.number(3).path
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert numbers(home) == ([4], False)


def test_no_more_generations_than_can_be_asked(home: SoulHome) -> None:
    grow(home)
    for n in range(1, 22):
        grow(home, *(f"2026-05-03/{line}" for line in range(1, n + 1)))
    assert numbers(home) == ([*range(3, 23)], False)


def test_the_records_of_the_best_generation_are_looked_at_first(home: SoulHome) -> None:
    grow(home, A, B)
    grow(home, A, B, C, "2026-05-03/9", "2026-05-03/10")
    line = lineage.read(home)
    assert line.candidates(0) == [B, A, C, "2026-05-03/10", "2026-05-03/9"]
    assert line.candidates(1) == [C, "2026-05-03/10", "2026-05-03/9", B, A]
    many = [f"20260401T1200{n:02}-9a0bcafeu" for n in range(60)]
    grow(home, A, B, C, *many, "2026-05-03/9", "2026-05-03/10")
    newest = lineage.read(home).candidates(2)
    assert len(newest) == 64 and newest[:60] == many[::-1] and A not in newest


def test_records_are_found_by_their_ids(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "memories", lambda: NOW)
    diary.open()
    for id_, text in ((A, "one"), (B, "two")):
        record = Record(id=id_, ts="", role="user", text=text, session="s")
        diary.append([record])
    assert [r.text for r in lineage.find(diary, [B, C, A])] == ["two", "one"]
    assert lineage.find(diary, []) == []


def test_only_what_explains_an_answer_is_shown() -> None:
    def rise(value: float) -> RecordRise:
        return RecordRise(id=str(value), ts="", text="", generation=1, rise=value)

    def values(*rises: float) -> list[float]:
        return [one.rise for one in shown([rise(value) for value in rises])]

    assert values(0.9, 2.0, 1.0, 1.5, 1.25) == [2.0, 1.5, 1.25]
    assert values(0.5, 2.0, 1.0) == [2.0, 1.0]
    assert values(-0.5, 0.0) == [] and values() == []
