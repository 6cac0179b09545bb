"""What ``soul doctor`` finds: the daemon's program and the command line say it to each other so."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Level = Literal["ok", "warning", "problem"]
Value = str | int | float
"""A number whose name ends in ``_bytes`` is a size."""


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at. ``said``: the key of the text that says what was found, with
    ``values`` in it; where there is something to do about it, ``<said>.do`` is a text too.
    """

    check: str
    level: Level
    said: str
    values: dict[str, Value] = {}


def ok(check: str, said: str, **values: Value) -> Finding:
    """Return that something is as it should be."""
    return Finding(check=check, level="ok", said=said, values=values)


def warning(check: str, said: str, **values: Value) -> Finding:
    """Return that something works, and not as it could."""
    return Finding(check=check, level="warning", said=said, values=values)


def problem(check: str, said: str, **values: Value) -> Finding:
    """Return that something does not work."""
    return Finding(check=check, level="problem", said=said, values=values)
