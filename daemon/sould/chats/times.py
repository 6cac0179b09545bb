"""Times as chat logs write them. One that cannot be believed is "", not known."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from sould.chats.limits import FIRST_YEAR, LAST_YEAR

_MILLISECONDS_FROM = 1e11  # as seconds it would be the year 5138
_SILLY = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2}) ?@ ?(\d{1,2})h ?(\d{1,2})m ?(\d{1,2})s(?: ?(\d{1,3})ms)?"
)
_WORDED = re.compile(r"([A-Z][a-z]{2,8}) (\d{1,2}), (\d{4}) (\d{1,2}):(\d{2}) ?([ap])m", re.I)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONGEST = 64


def time_of(value: object) -> str:
    """Return a time as RFC 3339: a number counts seconds or milliseconds from 1970, in UTC.

    A text without a zone is taken as it is: whose clock it was is not known. So a file says
    the same on every machine. Pure.
    """
    moment = None
    if isinstance(value, str) and len(value) <= _LONGEST:
        moment = _from_text(value.strip())
    elif isinstance(value, int | float) and not isinstance(value, bool):
        moment = _from_number(value)
    if moment is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return ""
    return moment.isoformat(timespec="milliseconds")


def _from_number(value: int | float) -> datetime | None:
    try:
        seconds = float(value)
        if not math.isfinite(seconds):
            return None
        if abs(seconds) >= _MILLISECONDS_FROM:
            seconds /= 1000
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _from_text(text: str) -> datetime | None:
    if text.isascii() and text.isdigit():
        return _from_number(int(text))
    try:
        if found := _SILLY.fullmatch(text):
            year, month, day, hour, minute, second, ms = (int(n or 0) for n in found.groups())
            return datetime(year, month, day, hour, minute, second, ms * 1000)
        if found := _WORDED.fullmatch(text):
            return _worded(*found.groups())
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None


def _worded(month: str, day: str, year: str, hour: str, minute: str, half: str) -> datetime:
    hours = int(hour) % 12 + (12 if half.lower() == "p" else 0)
    number = _MONTHS.index(month[:3].lower()) + 1
    return datetime(int(year), number, int(day), hours, int(minute))
