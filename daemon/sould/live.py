"""Which settings may change while the daemon runs, and what a changed file means. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from sould.config import Config

AT_ONCE = ("language", "chat", "body.idle_unload_s", "soul.save_every_s", "log.level")
"""Keys and sections that count from the next time they are looked at."""
WORN_WITH = ("memory", "chat.system_prompt", "soul.inner_lr", "soul.dreams", "soul.keep")
"""Those that the soul is put on with."""
BETWEEN_TURNS = (*WORN_WITH, "plugins")
"""Those that a turn must find the same from end to end."""


class Changed(Struct, frozen=True, kw_only=True):
    """Keys, with dots, whose values in the file are not those in force.

    ``restart``: those that count only from the next start on.
    """

    at_once: list[str] = []
    between_turns: list[str] = []
    restart: list[str] = []

    @property
    def live(self) -> list[str]:
        """Return what counts without a restart."""
        return [*self.at_once, *self.between_turns]


def may_change(key: str) -> bool:
    """Tell whether a key counts without a restart."""
    return bool({key, key.partition(".")[0]} & {*BETWEEN_TURNS, *AT_ONCE})


def compare(in_force: Config, file: Config) -> Changed:
    """Return what a file says otherwise."""
    before, after = flat(in_force.shown()), flat(file.shown())
    keys = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    found: dict[str, list[str]] = {"at_once": [], "between_turns": [], "restart": []}
    for key in sorted(keys):
        section = key.partition(".")[0]
        when = "restart"
        if section == "plugins" and in_force.is_safe:
            pass
        elif key in BETWEEN_TURNS or section in BETWEEN_TURNS:
            when = "between_turns"
        elif may_change(key):
            when = "at_once"
        found[when].append(key)
    return Changed(**found)


def take(in_force: Config, file: Config, keys: list[str]) -> None:
    """Let the values of ``keys`` in the file be in force: ``in_force`` is changed."""
    for key in keys:
        section, _, name = key.partition(".")
        name = name.partition(".")[0]  # of a dict, all of it
        value = getattr(file, section)
        if name:
            change = {name: getattr(value, name)}
            value = msgspec.structs.replace(getattr(in_force, section), **change)
        setattr(in_force, section, value)


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of all sections by keys with dots; a list is a value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
