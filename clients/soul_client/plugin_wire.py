"""What the wire says of plugins; part of :mod:`soul_client.wire`."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class TurnNote(Struct, frozen=True, kw_only=True):
    """What a plugin added to the prompt of one turn, and the diary's records it is from."""

    plugin: str
    text: str
    records: list[str] = []


class PluginEntry(Struct, frozen=True, kw_only=True):
    """One line of ``plugins.list``. ``source``: the distribution that has it, or "module".

    ``state``: off; starting; on; failed: it could not be loaded; disabled: it failed ``strikes``
    times. ``problem``: why, or what went wrong last.
    """

    name: str
    version: str = ""
    source: str = ""
    enabled: bool = False
    state: Literal["off", "starting", "on", "failed", "disabled"] = "off"
    strikes: int = 0
    hooks: list[str] = []
    jobs: list[str] = []
    frontends: list[str] = []
    problem: str = ""


class PluginList(Struct, frozen=True, kw_only=True):
    """Result of ``plugins.list``: first what is enabled, in the order it is asked in."""

    plugins: list[PluginEntry]
