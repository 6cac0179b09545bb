"""Has every hook of a turn, and nothing to say."""

from __future__ import annotations

from sould.plugin import Added, Turn, hookimpl


@hookimpl
def before_turn(turn: Turn) -> Added:
    return Added(note=f"{len(turn.text)} characters")


@hookimpl
def memory_write_policy(turn: Turn) -> bool:
    return bool(turn.reply)


@hookimpl
def after_turn(turn: Turn) -> None:
    assert turn.id
