"""Lets no turn be learned that mentions a birthday."""

from __future__ import annotations

from sould.plugin import Turn, hookimpl


@hookimpl
def memory_write_policy(turn: Turn) -> bool | None:
    return False if "birthday" in turn.text else None
