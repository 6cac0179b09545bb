"""What plugins ask the daemon to run for them. They say what; the daemon says when and how.

The types are checked when a plugin hands them over, not when they are made.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Daily(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="daily"):
    """Once for each local date, at ``HH:MM``. ``time_zone``: IANA name, or "" for the machine's.

    ``until``: a job that had to wait does so until then, and is missed; "": until the next date.
    """

    at: Clock
    until: Annotated[str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$")] = ""
    time_zone: Annotated[str, Meta(max_length=64)] = ""


class Every(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="every"):
    """Again and again, so many seconds after it was begun last."""

    seconds: Annotated[float, Meta(ge=1, le=366 * 86400)]


class Job(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request of the daemon's protocol, made by the daemon when it is time.

    ``method``, ``params``: as PROTOCOL.md has them. ``idle_s``: only when no client asked for
    anything, but to look, for so long. ``only_on_mains``: not on battery. ``catch_up``: what was
    missed is done once, later.
    """

    name: Name
    when: Daily | Every
    method: Annotated[str, Meta(min_length=1, max_length=64)]
    params: dict[str, Any] = {}
    idle_s: Annotated[float, Meta(ge=0)] = 0
    only_on_mains: bool = False
    catch_up: bool = False


class Frontend(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A process that the daemon keeps running: ``python -m MODULE ARGS…``.

    ``settings``: data for that process. It talks to the daemon with ``soul_client``, as anybody
    else does.
    """

    name: Name
    module: Annotated[str, Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
    args: list[str] = []
    settings: dict[str, Any] = {}
