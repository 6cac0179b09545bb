"""The hook: one job, made of the settings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from sould import plugin
from sould.plugin import Daily, Job, hookimpl

CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class Settings(plugin.Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``at``: when, ``HH:MM`` of ``time_zone`` (IANA name; "": the machine's). ``idle_minutes``:
    so long nobody may have asked for anything. ``until``: a night that had to wait begins no later
    than that, and is missed. ``catch_up``: what was missed is slept once, whenever it is quiet.
    """

    at: Annotated[str, Meta(pattern=CLOCK)] = "03:30"
    time_zone: Annotated[str, Meta(max_length=64)] = ""
    idle_minutes: Annotated[float, Meta(ge=0, le=1440)] = 20
    only_on_mains: bool = True
    until: Annotated[str, Meta(pattern=CLOCK)] = "07:00"
    catch_up: bool = True


@hookimpl
def register_jobs(settings: Settings) -> list[Job]:
    """Have the daemon sleep once for each date."""
    when = Daily(at=settings.at, time_zone=settings.time_zone, until=settings.until)
    sleep = Job(
        name="sleep",
        when=when,
        method="soul.sleep",
        idle_s=settings.idle_minutes * 60,
        only_on_mains=settings.only_on_mains,
        catch_up=settings.catch_up,
    )
    return [sleep]
