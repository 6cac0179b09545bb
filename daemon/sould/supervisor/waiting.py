"""Which turns wait to be learned: read from the diary, so that none acknowledged is forgotten."""

from __future__ import annotations

import re
from collections.abc import Set
from datetime import date, datetime, timedelta

from msgspec import Struct

from sould.bridge import Told
from sould.supervisor.diary import Diary, Record, Statement, instant

MAX_RECENT = 64
"""What was taught before is rehearsed beside the new; so many records of it at most."""

DAY_OF_ID = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)[T/]")


class Waiting(Struct, frozen=True, kw_only=True):
    """``waiting``: to be learned; ``recent``: taught before. Both oldest first."""

    waiting: list[Told]
    recent: list[Told]


def find_waiting(
    diary: Diary, soul: str, since: str, taught: Set[str], again: Set[str] = frozenset()
) -> Waiting:
    """Read what a soul has yet to learn, and what it was taught last. Blocking.

    ``again``: records that wait whenever and to whom they were said. Files of days before
    ``since`` are read only as far as that and ``recent`` ask for it.
    """
    waiting: list[Told] = []
    recent: list[Told] = []
    wanted = min(MAX_RECENT, len(taught))
    again = again - taught
    first_day = min(day_before(since), oldest_day(again))
    first_taught_day = oldest_day(taught)
    replaced = diary.replaced()
    for path in diary.files():
        is_over = len(recent) >= wanted or path.stem < first_taught_day
        if is_over and path.stem < first_day:
            break
        told = [record for record in diary.read(path) if record.role == "user" and record.learn]
        waiting[:0] = [
            told_of(r)
            for r in told
            if r.id not in replaced and (r.id in again or is_waiting(r, soul, since, taught))
        ]
        recent[:0] = [told_of(r) for r in told if r.id in taught]
    return Waiting(waiting=waiting, recent=recent[-MAX_RECENT:])


def is_waiting(record: Record, soul: str, since: str, taught: Set[str]) -> bool:
    """Tell whether a soul has yet to learn a record; an imported one is left to nights. Pure."""
    return not record.imported and is_untaught(record, soul, since, taught)


def teaches(record: Record) -> bool:
    """Tell whether a record is something to be learned: of the user, or of a document. Pure."""
    return record.role != "assistant" and record.learn


def told_of(record: Record) -> Told:
    """Return a record as the engine is told of it. Pure."""
    if isinstance(record, Statement):
        return Told(id=record.id, text=record.text, source=record.source, heading=record.heading)
    return Told(id=record.id, text=record.text)


def is_untaught(record: Record, soul: str, since: str, taught: Set[str]) -> bool:
    """Tell whether a record is for a soul, came since it began, and is not in it: it waits, or
    comes in a night. Pure.
    """
    if not teaches(record) or record.soul != soul or record.id in taught:
        return False
    came = instant(record.imported or record.ts)
    return came >= int(instant(since) * 1000) / 1000  # records know milliseconds


def day_before(since: str) -> str:
    """Return the day before a moment, "" if it is none: who travels sees the date go back. Pure."""
    try:
        return (datetime.fromisoformat(since).date() - timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return ""


def oldest_day(ids: Set[str]) -> str:
    """Return the earliest day in the ids of records, "" if one has none. Pure."""
    matches = [DAY_OF_ID.match(id_) for id_ in ids]
    days = ["-".join(match.groups()) if match else "" for match in matches]
    return min(days, default=date.max.isoformat())
