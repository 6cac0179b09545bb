"""What a soul is reborn from follows from the diary."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from sould.bridge import Mark
from sould.soulfile.names import name_fault
from sould.supervisor.diary import Diary, Record
from sould.supervisor.rebearing import compared
from sould.supervisor.rebirth_plan import (
    FEW,
    MOST_A_NIGHT,
    Said,
    evenly,
    find_life,
    free_name,
    nights_of,
)
from sould.supervisor.shelf import SoulState

NOON = "2026-11-23T12:00:00.000+09:00"


def day(name: str, count: int) -> list[Said]:
    return [Said(id=f"{name}{n}", moment=float(n), day=name, is_taught=True) for n in range(count)]


def sizes(*counts: int) -> list[int]:
    said = [one for n, count in enumerate(counts) for one in day(f"{n:02}", count)]
    nights = nights_of(said)
    assert [one for night in nights for one in night] == said
    return [len(night) for night in nights]


def test_a_night_is_a_day_of_many_records_or_several_of_few() -> None:
    assert sizes() == []
    assert sizes(FEW, 9, MOST_A_NIGHT) == [FEW, 9, MOST_A_NIGHT]
    assert sizes(MOST_A_NIGHT + 1, 50) == [13, 12, 17, 17, 16]
    assert sizes(1, 1, 1) == [3]
    assert sizes(*[3] * 6) == [9, 9]
    assert sizes(FEW - 1, MOST_A_NIGHT, 1) == [FEW - 1, MOST_A_NIGHT, 1]


def test_some_are_taken_evenly() -> None:
    assert evenly(range(3), 5) == [0, 1, 2]
    assert evenly(range(10), 5) == [0, 2, 4, 6, 8]
    assert evenly([], 5) == []


def test_a_life_is_what_was_taught_and_what_waits_in_order(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "memories", lambda: datetime.fromisoformat(NOON))
    diary.open()

    def write(id_: str, **changes: object) -> None:
        known = {"ts": NOON, "role": "user", "text": "x", "session": "s", "soul": "mika"}
        diary.append([Record(**{"id": id_, **known, **changes})])  # type: ignore[arg-type]

    write("late", ts="2026-11-23T13:00:00.000+09:00")
    write("taught", soul="another")
    write("again", soul="another")
    write("secret", learn=False)
    write("reply", role="assistant")
    write("strange", soul="another")
    write("before", ts="2026-11-22T12:00:00.000+09:00")
    write("log", ts="2020-01-01T12:00:00.000+09:00", imported=NOON)
    state = SoulState(
        since=NOON,
        taught=frozenset({"taught", "secret", "deleted"}),
        again=frozenset({"again"}),
    )
    life = find_life(diary, "mika", state)
    assert [(one.id, one.day, one.is_taught) for one in life.said] == [
        ("log", "2020-01-01", False),
        ("taught", "2026-11-23", True),
        ("again", "2026-11-23", False),
        ("late", "2026-11-23", False),
    ]
    assert life.gone == 2


@pytest.mark.parametrize(
    ("name", "ending", "found"),
    [
        ("mika", "qwen2.5-0.5b", "mika-qwen2.5-0.5b"),
        ("mika", "org/Smol LM: é.", "mika-Smol-LM--é"),
        ("mika", "taken", "mika-taken-3"),
        ("m" * 64, "x" * 99, "m" * 39 + "-" + "x" * 24),
        ("美" * 64, "before", "美" * 57 + "-before"),
    ],
)
def test_a_name_that_a_soul_can_have(name: str, ending: str, found: str) -> None:
    assert free_name(name, ending, ["mika-taken", "MIKA-TAKEN-2"]) == found
    assert name_fault(found) == ""


def test_both_are_compared_over_the_same_records() -> None:
    knows, not_ = Mark(says=True, log_p=-1.0), Mark(says=False, log_p=-3.0)
    after = {"a": knows, "b": not_, "c": knows, "old": not_}
    never = dict.fromkeys(after, not_)
    found = compared({"a": not_, "b": not_, "old": knows, "z": knows}, after, never, {"old"})
    assert found.before is not None and found.after is not None and found.never is not None
    assert (found.before.recalled, found.before.facts, found.before.log_p) == (0, 2, -3.0)
    assert (found.after.recalled, found.after.facts, found.after.log_p) == (1, 2, -2.0)
    alone = compared(None, after, never, {"old"})
    assert alone.before is None and alone.after is not None and alone.after.facts == 3
    assert compared(None, {}, {}, set()) == (None, None, None)
