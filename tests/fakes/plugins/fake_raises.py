"""Raises, and puts what was said into the words of it."""

from __future__ import annotations

from sould.plugin import Turn, hookimpl


@hookimpl
def before_turn(turn: Turn) -> None:
    raise ValueError(turn.text)
