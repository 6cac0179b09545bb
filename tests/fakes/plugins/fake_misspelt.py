"""Implements a hook that does not exist."""

from __future__ import annotations

from sould.plugin import hookimpl


@hookimpl
def befor_turn() -> None:
    return None
