"""Ends the process."""

from __future__ import annotations

import os

from sould.plugin import hookimpl


@hookimpl
def before_turn() -> None:
    os._exit(3)
