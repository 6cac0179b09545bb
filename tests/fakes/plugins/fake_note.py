"""Adds a note to every turn, and keeps what happens to it in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from sould import plugin
from sould.plugin import Added, Event, Home, Turn, hookimpl


class Settings(plugin.Settings):
    """``record``: a file that gets a line for each call. ``system``: goes there instead."""

    record: str = ""
    system: str = ""


def keep(settings: Settings, *words: Any) -> None:
    if settings.record:
        with Path(settings.record).open("a") as file:
            file.write(json.dumps(msgspec.to_builtins(words)) + "\n")


@hookimpl
def daemon_ready(home: Home, settings: Settings) -> None:
    keep(settings, "daemon_ready", home.workspace)


@hookimpl
def before_turn(turn: Turn, settings: Settings) -> Added:
    keep(settings, "before_turn", turn)
    return Added(note=f"note on {turn.text.split()[0]}", system=settings.system)


@hookimpl
def after_turn(turn: Turn, settings: Settings) -> None:
    keep(settings, "after_turn", turn)


@hookimpl
def on_event(event: Event, settings: Settings) -> None:
    keep(settings, "on_event", event.name)


@hookimpl
def shutdown(settings: Settings) -> None:
    keep(settings, "shutdown")
