"""Wants to end the process, in the way that can be caught."""

from __future__ import annotations

import sys

from sould.plugin import hookimpl


@hookimpl
def before_turn() -> None:
    print("goodbye")
    sys.exit(3)
