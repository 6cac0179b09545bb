"""What waits to be learned follows from the diary alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from sould.supervisor.diary import Diary, Record
from sould.supervisor.waiting import MAX_RECENT, day_before, find_waiting, is_waiting, oldest_day

TOKYO = timezone(timedelta(hours=9))
NOON = datetime(2026, 11, 23, 12, tzinfo=TOKYO)


def record(n: int, at: datetime = NOON, **changes: object) -> Record:
    known = {"role": "user", "text": f"q{n}", "session": "s", "soul": "mika"}
    id_ = f"{at:%Y%m%dT%H%M%S}-{n:08x}u"
    return Record(**{"id": id_, "ts": at.isoformat(timespec="milliseconds"), **known, **changes})  # type: ignore[arg-type]


class Days:
    """A diary whose clock is that of the record being written; ``read`` counts the files."""

    def __init__(self, folder: Path) -> None:
        self.now = NOON
        self.opened: list[str] = []
        self.diary = Diary(folder / "memories", lambda: self.now)
        self.diary.open()
        read = self.diary.read
        self.diary.read = lambda path: self.opened.append(path.stem) or read(path)  # type: ignore[method-assign,func-returns-value]

    def write(self, *records: Record) -> None:
        for one in records:
            self.now = datetime.fromisoformat(one.ts)
            self.diary.append([one])


@pytest.fixture
def days(tmp_path: Path) -> Days:
    return Days(tmp_path)


def test_all_that_was_said_to_the_soul_since_it_began_waits_in_order(days: Days) -> None:
    said = [record(n, NOON + timedelta(days=n)) for n in range(3)]
    days.write(record(9, NOON - timedelta(hours=1)), *said)
    found = find_waiting(days.diary, "mika", NOON.isoformat(), {said[1].id})
    assert [told.text for told in found.waiting] == ["q0", "q2"]
    assert [told.text for told in found.recent] == ["q1"]


@pytest.mark.parametrize(
    "changes",
    [{"learn": False}, {"soul": ""}, {"soul": "other"}, {"role": "assistant"}],
)
def test_what_is_not_for_learning_does_not_wait(changes: dict[str, object]) -> None:
    assert is_waiting(record(1), "mika", NOON.isoformat(), set())
    assert not is_waiting(record(1, **changes), "mika", NOON.isoformat(), set())


def test_moments_are_compared_not_their_texts() -> None:
    ts = (NOON + timedelta(milliseconds=1)).astimezone(UTC).isoformat()
    assert is_waiting(record(1, ts=ts), "mika", NOON.isoformat(), set())
    same = NOON.replace(microsecond=123_789)  # the record is written with milliseconds only
    assert is_waiting(record(1, same), "mika", same.isoformat(), set())
    assert not is_waiting(record(1), "mika", same.isoformat(), set())


def test_days_before_are_read_only_for_what_was_taught_last(days: Days) -> None:
    said = [record(n, NOON + timedelta(days=n)) for n in range(10)]
    days.write(*said)
    since = (NOON + timedelta(days=8)).isoformat()
    find_waiting(days.diary, "mika", since, set())
    assert days.opened == ["2026-12-02", "2026-12-01", "2026-11-30"]  # one more: people travel
    days.opened.clear()
    found = find_waiting(days.diary, "mika", since, {said[5].id, said[9].id})
    assert [told.text for told in found.recent] == ["q5", "q9"]
    assert days.opened[-1] == "2026-11-28"
    days.opened.clear()
    find_waiting(days.diary, "mika", since, {"20261125T000000-00000000u"})  # day deleted by hand
    assert days.opened[-1] == "2026-11-25"


def test_only_the_last_of_what_was_taught_is_rehearsed(days: Days) -> None:
    said = [record(n, NOON + timedelta(seconds=n)) for n in range(MAX_RECENT + 5)]
    days.write(*said)
    found = find_waiting(days.diary, "mika", NOON.isoformat(), {r.id for r in said})
    assert [told.text for told in found.recent] == [r.text for r in said[5:]]
    assert found.waiting == []


def test_days_of_moments_and_ids() -> None:
    assert day_before("2026-11-23T00:10:00+09:00") == "2026-11-22"
    assert day_before("") == day_before("soon") == day_before("0001-01-01T00:00:00") == ""
    assert oldest_day({"20261123T101010-0a0b0c0du", "2025-05-01/7"}) == "2025-05-01"
    assert oldest_day({"20261123T101010-0a0b0c0du", "hand made"}) == ""
    assert oldest_day(set()) == date.max.isoformat()


def test_what_has_to_be_learned_again_waits_whenever_and_to_whom_it_was_said(days: Days) -> None:
    old = [record(n, NOON + timedelta(days=n), soul="other") for n in range(4)]
    new = record(5, NOON + timedelta(days=5))
    days.write(*old, new)
    again = {old[1].id, old[2].id}
    found = find_waiting(days.diary, "mika", new.ts, {old[2].id}, again)
    assert [told.text for told in found.waiting] == ["q1", "q5"]
    assert [told.text for told in found.recent] == ["q2"]
    assert old[0].ts[:10] not in days.opened, "no further back than it takes"
