"""The shortest plugin of use: a body is told the day and the time when a conversation begins."""

from __future__ import annotations

from datetime import datetime

from sould.plugin import Added, Turn, hookimpl

_met: set[str] = set()  # sessions of this process


@hookimpl
def before_turn(turn: Turn) -> Added | None:
    """Return the time, once in a conversation."""
    if turn.session in _met:
        return None
    _met.add(turn.session)
    return Added(note=f"({datetime.fromisoformat(turn.ts):It is %A, %d %B %Y, %H:%M.})")
