"""Has every hook of a turn, and adds what the fake engine says nothing to."""

from __future__ import annotations

from sould.plugin import Added, Turn, hookimpl


@hookimpl
def before_turn(turn: Turn) -> Added:
    return Added(note="tokens 0;")


@hookimpl
def memory_write_policy(turn: Turn) -> bool:
    return bool(turn.reply)


@hookimpl
def after_turn(turn: Turn) -> None:
    assert turn.id
