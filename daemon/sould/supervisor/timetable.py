"""When a job is due: its time on every local date, what it waits for, what was done. Pure.

A date begins for a job at the job's time and lasts until that time on the next date. A job is
done once in it at most: at its time if it can, until its deadline while it cannot, and after that
only where what was missed is caught up. So any number of missed dates is caught up once.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

from msgspec import Struct

MOST_DAYS = 400
"""So many dates are kept of what was done: a clock set back by less does nothing twice."""
MOST_TRIES = 3
"""What fails, or is cut short by the end of the daemon, is tried so often on a date."""
RETRY_S = 600.0

Waits = Literal["", "time", "idle", "mains", "retry"]


class Daily(Struct, frozen=True, kw_only=True):
    """A job of every local date. ``until``: where that time is not after ``at``, it is the next
    day's; None: until the job's next date. ``idle_s``: so long nobody may have asked for anything.
    """

    at: time
    zone: tzinfo
    until: time | None = None
    idle_s: float = 0.0
    only_on_mains: bool = False
    catch_up: bool = False


class Every(Struct, frozen=True, kw_only=True):
    """A job of every ``seconds``, counted from when it was begun."""

    seconds: float
    idle_s: float = 0.0
    only_on_mains: bool = False


class Machine(Struct, frozen=True, kw_only=True):
    """What the machine is doing. ``idle_s``: since somebody asked for something last."""

    idle_s: float
    is_on_mains: bool = True


class Past(Struct, frozen=True, kw_only=True):
    """What was done. ``days``: the dates that are over, as they came. ``begun``: the date of a run
    that has not been done; ``tries``: how many there were of it. ``last_at``: when the last one
    began (RFC 3339). ``problem``: why it failed.
    """

    days: list[str] = []
    begun: str = ""
    tries: int = 0
    last_at: str = ""
    problem: str = ""


class Decision(Struct, frozen=True, kw_only=True):
    """What to do now. ``waits``: for what; "": it is due, for the date ``day``. ``next_at``: when
    it will be its time, or was.
    """

    waits: Waits
    day: str
    next_at: datetime


def due(job: Daily | Every, now: datetime, past: Past, machine: Machine) -> Decision:
    """Decide whether a job is to be done now. ``now`` has an offset."""
    if isinstance(job, Every):
        return _due_again(job, now, past, machine)
    day = day_of(job, now)
    if not _may_run(job, now, past, day):
        return Decision(waits="time", day=day.isoformat(), next_at=_next(job, now, past, day))
    begun_at = begins(job, day)
    assert begun_at is not None
    waits = _obstacle(job, machine)
    if past.begun == day.isoformat() and 0 <= _age_s(now, past.last_at) < RETRY_S:
        waits = "retry"
    return Decision(waits=waits, day=day.isoformat(), next_at=begun_at)


def first(job: Daily | Every, now: datetime) -> Past:
    """Return the past of a job that was never seen before: its first time is yet to come."""
    if isinstance(job, Every):
        return Past()
    return Past(days=[day_of(job, now).isoformat()])


def begun(past: Past, day: str, now: datetime) -> Past:
    """Return the past with one more run begun."""
    tries = past.tries + 1 if past.begun == day else 1
    return Past(
        days=past.days,
        begun=day,
        tries=tries,
        last_at=now.isoformat(timespec="seconds"),
        problem=past.problem,
    )


def ended(past: Past, *, problem: str = "", is_done: bool = True) -> Past:
    """Return the past with the run that was begun ended; not done, it may be tried again."""
    if not is_done and past.tries < MOST_TRIES:
        return Past(
            days=past.days,
            begun=past.begun,
            tries=past.tries,
            last_at=past.last_at,
            problem=problem,
        )
    days = [*past.days, past.begun] if past.begun else past.days
    return Past(days=days[-MOST_DAYS:], last_at=past.last_at, problem=problem)


def begins(job: Daily, day: date) -> datetime | None:
    """Return when a date begins for a job: the first moment at or after its time; None for a
    date that the zone leaves out.
    """
    moment = first_moment(datetime.combine(day, job.at), job.zone)
    if moment.astimezone(job.zone).date() == day:
        return moment
    midnight = first_moment(datetime.combine(day, time()), job.zone)
    return moment if midnight.astimezone(job.zone).date() == day else None


def day_of(job: Daily, now: datetime) -> date:
    """Return the date that a moment belongs to, for a job."""
    today = now.astimezone(job.zone).date()
    for ahead in (1, 0, -1, -2, -3):  # clocks are set back over midnight, and dates left out
        day = today + timedelta(days=ahead)
        moment = begins(job, day)
        if moment is not None and moment <= now:
            return day
    raise AssertionError(f"no date of {job.zone} begins before {now}")


def first_moment(wall: datetime, zone: tzinfo) -> datetime:
    """Return the first moment (UTC) when the clocks of a zone show ``wall`` or later; ``wall`` has
    no zone. Where they show it twice, it is the first time.
    """
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _wall(moment, zone) == wall:
        return moment
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # the gap; ``moment`` is after it
    while moment - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(moment - before) // timedelta(seconds=2))
        if _wall(middle, zone) < wall:
            before = middle
        else:
            moment = middle
    return moment


def _wall(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _due_again(job: Every, now: datetime, past: Past, machine: Machine) -> Decision:
    age_s = _age_s(now, past.last_at) if past.last_at else job.seconds
    if 0 <= age_s < job.seconds:
        later = now + timedelta(seconds=job.seconds - age_s)
        return Decision(waits="time", day="", next_at=later)
    return Decision(waits=_obstacle(job, machine), day="", next_at=now)


def _may_run(job: Daily, now: datetime, past: Past, day: date) -> bool:
    if day.isoformat() in past.days:
        return False
    if past.begun == day.isoformat() and past.tries >= MOST_TRIES:  # the daemon died of each
        return False
    return job.catch_up or now < _deadline(job, day)


def _deadline(job: Daily, day: date) -> datetime:
    """Return until when a date's run is in time."""
    next_time = _after(job, day)
    if job.until is None:
        return next_time
    last_day = day if job.until > job.at else day + timedelta(days=1)
    return min(first_moment(datetime.combine(last_day, job.until), job.zone), next_time)


def _after(job: Daily, day: date) -> datetime:
    """Return when the next date begins for a job."""
    while (moment := begins(job, day := day + timedelta(days=1))) is None:
        pass
    return moment


def _next(job: Daily, now: datetime, past: Past, day: date) -> datetime:
    """Return when it is the job's time again."""
    while True:
        day += timedelta(days=1)
        moment = begins(job, day)
        if moment is not None and moment > now and day.isoformat() not in past.days:
            return moment


def _obstacle(job: Daily | Every, machine: Machine) -> Waits:
    if machine.idle_s < job.idle_s:
        return "idle"
    return "mains" if job.only_on_mains and not machine.is_on_mains else ""


def _age_s(now: datetime, ts: str) -> float:
    return now.timestamp() - datetime.fromisoformat(ts).timestamp()
