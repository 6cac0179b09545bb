"""Catches whatever is raised in it and goes on."""

from __future__ import annotations

import time

from sould.plugin import hookimpl


@hookimpl
def before_turn() -> None:
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            continue
