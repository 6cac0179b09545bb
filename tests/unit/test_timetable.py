"""When a job is due: in every time zone, whatever the clock does, once for a date at most."""

from __future__ import annotations

import sys
import time as clock
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sould.supervisor.timetable import (
    MOST_TRIES,
    Daily,
    Every,
    Machine,
    begins,
    begun,
    day_of,
    due,
    ended,
    first,
)
from sould.supervisor.zones import zone_of

SINCE, UNTIL = date(2020, 1, 1), date(2030, 1, 1)
IDLE = Machine(idle_s=1e6)
TOKYO = ZoneInfo("Asia/Tokyo")
AT = time(3, 30)
NIGHTLY = Daily(at=AT, zone=TOKYO, until=time(7), idle_s=1200, only_on_mains=True, catch_up=True)


@cache
def changes(name: str) -> tuple[date, ...]:
    """Return the dates between SINCE and UNTIL on which the clocks of a zone are set."""
    zone = ZoneInfo(name)

    def offset(day: date) -> timedelta | None:
        return datetime.combine(day, time(12), zone).utcoffset()

    found, day = [], SINCE
    while day < UNTIL:
        week = [day + timedelta(days=n) for n in range(8)]
        if offset(week[0]) != offset(week[-1]):
            found += [new for old, new in pairwise(week) if offset(old) != offset(new)]
        day = week[-1]
    return tuple(found)


@cache
def zones_with_dst() -> dict[tuple[object, ...], str]:
    """Return the zones whose clocks are set in these years, each set of rules once."""
    found: dict[tuple[object, ...], str] = {}
    for name in sorted(available_timezones()):
        if days := changes(name):
            offset = datetime(2020, 1, 1, 12, tzinfo=UTC).astimezone(ZoneInfo(name)).utcoffset()
            found.setdefault((offset, days), name)
    return found


class Life:
    """A job, and a machine that may be switched off, suspended, busy, or have its clock set."""

    def __init__(self, job: Daily, now: datetime) -> None:
        self.job = job
        self.now = now
        self.past = first(job, now)
        self.ran: list[tuple[str, datetime]] = []

    def look(self, machine: Machine = IDLE) -> str:
        """Look at the clock once, and do what is due; return what it waits for."""
        decision = due(self.job, self.now, self.past, machine)
        if not decision.waits:
            self.past = ended(begun(self.past, decision.day, self.now))
            self.ran.append((decision.day, self.now))
        return decision.waits

    def live(self, span: timedelta, step: timedelta) -> None:
        """Look again and again, for so long."""
        end = self.now + span
        while self.now < end:
            self.now += step
            self.look()


def test_every_zone_runs_once_on_every_date_around_the_days_its_clocks_are_set() -> None:
    assert len(zones_with_dst()) > 40
    for name in zones_with_dst().values():
        for number, changed in enumerate(changes(name)):
            at = (time(0), time(2, 30), time(23, 30), time(1))[number % 4]
            job = Daily(at=at, zone=ZoneInfo(name))
            days = [changed + timedelta(days=n) for n in (-1, 0, 1, 2)]
            moments = [moment for day in days if (moment := begins(job, day)) is not None]
            life = Life(job, moments[0] - timedelta(hours=1))
            for moment in moments:
                for after in (-1, 0, 1, 59, 61, 600):
                    life.now = moment + timedelta(minutes=after)
                    life.look()
            expected = [(str(day), moment) for day, moment in zip(days, moments, strict=True)]
            assert life.ran == expected, (name, changed, at)


@pytest.mark.parametrize(
    ("zone", "day", "at", "moment"),
    [
        ("Europe/Berlin", "2026-03-29", "02:30", "2026-03-29T03:00+02:00"),  # is skipped
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T02:30+02:00"),  # comes twice
        ("Europe/Berlin", "2026-03-29", "03:30", "2026-03-29T03:30+02:00"),
        ("Africa/Cairo", "2024-04-26", "00:00", "2024-04-26T01:00+03:00"),
        ("America/Nuuk", "2024-03-30", "23:30", "2024-03-31T00:00-01:00"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-04T02:30+11:00"),
        ("Pacific/Apia", "2011-12-29", "12:00", "2011-12-29T12:00-10:00"),
        ("Pacific/Apia", "2011-12-31", "12:00", "2011-12-31T12:00+14:00"),
        ("Asia/Tokyo", "2026-11-26", "03:30", "2026-11-26T03:30+09:00"),
    ],
)
def test_the_moment_of_a_date(zone: str, day: str, at: str, moment: str) -> None:
    job = Daily(at=time.fromisoformat(at), zone=ZoneInfo(zone))
    assert begins(job, date.fromisoformat(day)) == datetime.fromisoformat(moment)


def test_a_date_that_a_zone_leaves_out_has_no_run() -> None:
    job = Daily(at=time(12), zone=ZoneInfo("Pacific/Apia"))
    assert begins(job, date(2011, 12, 30)) is None
    life = Life(job, datetime(2011, 12, 28, tzinfo=UTC))
    life.live(timedelta(days=5), timedelta(hours=1))
    days = ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]
    assert [day for day, _ in life.ran] == days


@st.composite
def lives(draw: st.DrawFn) -> tuple[Daily, datetime, list[tuple[str, int]]]:
    name = draw(st.sampled_from(sorted(zones_with_dst().values())))
    job = Daily(
        at=time(draw(st.integers(0, 23)), draw(st.sampled_from([0, 5, 30, 59]))),
        until=draw(st.sampled_from([None, time(6), time(0, 10)])),
        zone=ZoneInfo(name),
        catch_up=draw(st.booleans()),
        idle_s=600,
    )
    near = draw(st.sampled_from(changes(name)))
    start = datetime.combine(near, time(), tzinfo=UTC) - timedelta(hours=draw(st.integers(0, 72)))
    event = st.one_of(
        st.tuples(st.just("awake"), st.integers(1, 40)),  # steps of 20 minutes
        st.tuples(st.just("busy"), st.integers(1, 40)),
        st.tuples(st.just("suspended"), st.integers(1, 60 * 24 * 20)),  # minutes
        st.tuples(st.just("set"), st.integers(-60 * 24 * 200, 60 * 24 * 200)),
        st.tuples(st.just("set"), st.integers(-180, 180)),
    )
    return job, start, draw(st.lists(event, min_size=5, max_size=40))


@given(lives())
@settings(max_examples=150, deadline=None)
def test_never_twice_for_a_date_whatever_the_clock_does(
    drawn: tuple[Daily, datetime, list[tuple[str, int]]],
) -> None:
    job, now, events = drawn
    life = Life(job, now)
    for what, amount in events:
        match what:
            case "awake":
                life.live(timedelta(minutes=20 * amount), timedelta(minutes=20))
            case "busy":
                for _ in range(amount):
                    life.now += timedelta(minutes=20)
                    assert life.look(Machine(idle_s=0)) in ("time", "idle")
            case _:
                life.now += timedelta(minutes=amount)
                life.look()
    assert set(Counter(day for day, _ in life.ran).values()) <= {1}
    for day, moment in life.ran:
        begin = begins(job, date.fromisoformat(day))
        assert begin is not None and begin <= moment < begin + timedelta(days=2, hours=2)
        if not job.catch_up and job.until is not None:
            assert moment - begin <= timedelta(days=1, hours=2)


def test_many_missed_dates_are_caught_up_once() -> None:
    life = Life(NIGHTLY, datetime(2026, 11, 20, 12, tzinfo=TOKYO))
    life.now = datetime(2026, 11, 26, 9, tzinfo=TOKYO)
    assert [life.look(), life.look()] == ["", "time"]
    assert life.ran == [("2026-11-26", life.now)]
    life.now = datetime(2026, 11, 27, 3, 30, tzinfo=TOKYO)
    assert life.look() == ""


def test_what_is_missed_and_not_caught_up_is_left() -> None:
    job = msgspec.structs.replace(NIGHTLY, catch_up=False)
    life = Life(job, datetime(2026, 11, 25, 12, tzinfo=TOKYO))
    for hour, minute, waits in ((6, 59, "idle"), (7, 0, "time"), (23, 0, "time")):
        life.now = datetime(2026, 11, 26, hour, minute, tzinfo=TOKYO)
        assert life.look(Machine(idle_s=60)) == waits
    life.now = datetime(2026, 11, 27, 6, 59, tzinfo=TOKYO)
    assert life.look() == "" and life.ran[0][0] == "2026-11-27"


def test_an_evening_job_has_until_the_next_morning() -> None:
    job = Daily(at=time(23), until=time(6), zone=TOKYO)
    life = Life(job, datetime(2026, 11, 25, 23, 30, tzinfo=TOKYO))
    life.now = datetime(2026, 11, 27, 5, 59, tzinfo=TOKYO)
    assert life.look() == "" and life.ran[0][0] == "2026-11-26"
    life.now = datetime(2026, 11, 28, 6, 0, tzinfo=TOKYO)
    assert life.look() == "time"


def test_it_waits_for_peace_and_for_mains() -> None:
    life = Life(NIGHTLY, datetime(2026, 11, 25, 12, tzinfo=TOKYO))
    life.now = datetime(2026, 11, 26, 3, 31, tzinfo=TOKYO)
    assert life.look(Machine(idle_s=1199)) == "idle"
    assert life.look(Machine(idle_s=1200, is_on_mains=False)) == "mains"
    assert life.look(Machine(idle_s=1200)) == ""


def test_a_new_job_begins_with_its_next_date() -> None:
    life = Life(NIGHTLY, datetime(2026, 11, 26, 4, tzinfo=TOKYO))
    assert life.look() == "time"
    decision = due(NIGHTLY, life.now, life.past, IDLE)
    assert decision.next_at == datetime(2026, 11, 27, 3, 30, tzinfo=TOKYO)


def test_another_time_of_the_same_date_is_not_a_second_run() -> None:
    life = Life(NIGHTLY, datetime(2026, 11, 25, 12, tzinfo=TOKYO))
    life.now = datetime(2026, 11, 26, 3, 30, tzinfo=TOKYO)
    assert life.look() == ""
    life.job = msgspec.structs.replace(NIGHTLY, at=time(22))
    life.now = datetime(2026, 11, 26, 22, tzinfo=TOKYO)
    assert life.look() == "time"
    assert due(life.job, life.now, life.past, IDLE).next_at.date() == date(2026, 11, 27)


def test_what_was_cut_short_is_tried_again_but_not_for_ever() -> None:
    now = datetime(2026, 11, 26, 3, 30, tzinfo=TOKYO)
    past = first(NIGHTLY, now - timedelta(hours=8))
    for _ in range(MOST_TRIES):
        decision = due(NIGHTLY, now, past, IDLE)
        assert decision.waits == ""
        past = begun(past, decision.day, now)  # and the daemon is killed
        waits = due(NIGHTLY, now + timedelta(minutes=1), past, IDLE).waits
        assert waits == ("retry" if past.tries < MOST_TRIES else "time")
        now += timedelta(minutes=11)
    assert due(NIGHTLY, now, past, IDLE).waits == "time"
    assert due(NIGHTLY, now + timedelta(days=1), past, IDLE).waits == ""


def test_what_fails_is_tried_again_and_then_over() -> None:
    now = datetime(2026, 11, 26, 3, 30, tzinfo=TOKYO)
    past = first(NIGHTLY, now - timedelta(hours=8))
    for _ in range(MOST_TRIES):
        assert str(day_of(NIGHTLY, now)) not in past.days
        past = ended(begun(past, "2026-11-26", now), problem="no body", is_done=False)
    assert past.days[-1] == "2026-11-26" and past.problem == "no body"
    assert ended(begun(past, "2026-11-27", now)).problem == ""


def test_again_and_again() -> None:
    job, now = Every(seconds=60), datetime(2026, 11, 26, tzinfo=TOKYO)
    past = first(job, now)
    assert due(job, now, past, IDLE).waits == ""
    past = ended(begun(past, "", now))
    waiting = due(job, now + timedelta(seconds=59), past, IDLE)
    assert waiting.waits == "time" and waiting.next_at == now + timedelta(seconds=60)
    assert due(job, now + timedelta(seconds=60), past, IDLE).waits == ""
    assert due(job, now - timedelta(days=9), past, IDLE).waits == ""  # the clock was set back


@pytest.mark.skipif(sys.platform == "win32", reason="TZ is not read there")
@pytest.mark.parametrize("name", ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Tokyo"])
def test_the_machines_own_zone_is_as_the_one_it_is_set_to(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", name)
    clock.tzset()
    try:
        for day in (*changes(name)[:4], date(2026, 11, 26)):
            for at in (time(0), time(1, 59), time(2, 15), time(2, 30), time(12)):
                own, named = (Daily(at=at, zone=zone) for zone in (zone_of(""), zone_of(name)))
                assert begins(own, day) == begins(named, day), (day, at)
    finally:
        monkeypatch.undo()
        clock.tzset()
