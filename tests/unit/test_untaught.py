"""What a night may go over: what waits and what was imported, the oldest first, and no more."""

from __future__ import annotations

from collections.abc import Set
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sould.supervisor.diary import Diary, Record
from sould.supervisor.untaught import Untaught, find_untaught
from sould.supervisor.waiting import find_waiting

SINCE = datetime(2026, 11, 23, 12, tzinfo=UTC)
TAKEN_IN = (SINCE + timedelta(hours=1)).isoformat()


def record(at: datetime, text: str, **changes: object) -> Record:
    known = {"role": "user", "session": "s", "soul": "mika", "text": text}
    id_ = f"{at:%Y%m%dT%H%M%S}-0000000{text[-1]}u"
    return Record(**{"id": id_, "ts": at.isoformat(), **known, **changes})  # type: ignore[arg-type]


def long_ago(n: int, **changes: object) -> Record:
    at = SINCE - timedelta(days=900 - n // 2, seconds=-n)
    return record(at, f"old {n}", **{"imported": TAKEN_IN, **changes})


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    diary = Diary(tmp_path / "memories", lambda: SINCE)
    diary.open()
    return diary


def write(diary: Diary, *records: Record) -> None:
    for one in records:
        diary.append_to(one.ts[:10], [one])


def found(diary: Diary, most: int = 100, taught: Set[str] = frozenset()) -> Untaught:
    return find_untaught(diary, "mika", SINCE.isoformat(), taught, most)


def texts(untaught: Untaught) -> list[str]:
    return [told.text for told in untaught.records]


def test_imported_and_waiting_oldest_first(diary: Diary) -> None:
    said = record(SINCE + timedelta(hours=2), "said 1")
    write(diary, said, long_ago(3), long_ago(2), long_ago(0))
    assert texts(found(diary)) == ["old 0", "old 2", "old 3", "said 1"]
    waiting = find_waiting(diary, "mika", SINCE.isoformat(), frozenset()).waiting
    assert [told.text for told in waiting] == ["said 1"]  # awake, only what was said here


def test_what_waits_has_room_before_what_was_imported(diary: Diary) -> None:
    said = [record(SINCE + timedelta(minutes=n), f"said {n}") for n in range(3)]
    write(diary, *said, *[long_ago(n) for n in range(5)])
    untaught = found(diary, most=5)
    assert texts(untaught) == ["old 0", "old 1", "said 0", "said 1", "said 2"]
    assert untaught.left == 3
    assert (texts(found(diary, most=2)), found(diary, most=2).left) == (["said 0", "said 1"], 5)


def test_night_by_night_all_of_it_comes_once(diary: Diary) -> None:
    old = [long_ago(n) for n in range(7)]
    write(diary, *old)
    taught: set[str] = set()
    nights = []
    while records := (untaught := found(diary, most=3, taught=taught)).records:
        nights.append((texts(untaught), untaught.left))
        taught |= {told.id for told in records}
    assert [left for _, left in nights] == [4, 1, 0]
    assert [text for night, _ in nights for text in night] == [one.text for one in old]


@pytest.mark.parametrize(
    "changes",
    [
        {"learn": False},
        {"soul": "other"},
        {"role": "assistant"},
        {"imported": (SINCE - timedelta(hours=1)).isoformat()},  # before an undo, say
    ],
)
def test_what_is_not_for_this_soul(diary: Diary, changes: dict[str, object]) -> None:
    write(diary, long_ago(1, **changes), record(SINCE - timedelta(days=400), "said 2"))
    assert found(diary) == Untaught(records=[], left=0)


def test_imported_again_it_counts_once(diary: Diary) -> None:
    before = (SINCE - timedelta(hours=1)).isoformat()
    write(diary, long_ago(1, imported=before), long_ago(1), long_ago(1))
    assert texts(found(diary)) == ["old 1"]
    assert found(diary, most=0).left == 1
