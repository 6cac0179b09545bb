"""Waits for ever, in a way that can be interrupted."""

from __future__ import annotations

import time

from sould.plugin import hookimpl


@hookimpl
def before_turn() -> None:
    time.sleep(3600)
