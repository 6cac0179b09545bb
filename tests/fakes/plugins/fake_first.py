"""Wants to be asked before all others."""

from __future__ import annotations

from sould.plugin import Added, hookimpl


@hookimpl(tryfirst=True)
def before_turn() -> Added:
    return Added(note="first")
