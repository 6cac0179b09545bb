"""Time zones by their names, and the one this machine is set to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from sould.errors import BadRequest


def zone_of(name: str) -> tzinfo:
    """Return the zone of that IANA name; "" is the machine's.

    Raises:
        BadRequest: there is none.
    """
    if not name:
        return MachineZone()
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as e:
        raise BadRequest(
            f"there is no time zone {name!r}", "name one such as Asia/Tokyo, or none"
        ) from e


class MachineZone(tzinfo):
    """What the machine's clock shows, by whatever rules it has at that time."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        """Return the offset of a time; of the two that a time may have, ``fold`` says which."""
        assert dt is not None
        offset = dt.replace(tzinfo=None).astimezone().utcoffset()
        assert offset is not None
        return offset

    def dst(self, dt: datetime | None) -> None:
        """Not known."""

    def tzname(self, dt: datetime | None) -> str:
        """Return what people call it."""
        return "local"

    def fromutc(self, dt: datetime) -> datetime:
        """Return a moment as the clock shows it."""
        return dt.replace(tzinfo=UTC).astimezone().replace(tzinfo=self)
