"""Returns what no hook may return."""

from __future__ import annotations

from sould.plugin import hookimpl


@hookimpl
def before_turn() -> object:
    return object()


@hookimpl
def memory_write_policy() -> str:
    return "learn it"


@hookimpl
def after_turn() -> int:
    return 3
