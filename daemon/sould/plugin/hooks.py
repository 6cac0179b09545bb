"""The hooks. A plugin implements those it wants, with as few of their arguments as it needs.

All implementations run in one process of their own, one at a time, in the order of
``plugins.enabled`` (``hookimpl(tryfirst=True)`` and ``trylast`` change that). ``settings`` is the
plugin's own ``Settings``, or the plain dict of config.yaml where it has none. A plugin that raises,
or takes longer than its time, is passed over; after the third time it is not asked again.
"""

from __future__ import annotations

from typing import Any

import pluggy

from sould.plugin.declared import Frontend, Job
from sould.plugin.structs import (
    Added,
    Body,
    Dream,
    Event,
    Home,
    Night,
    Report,
    SoulFile,
    Told,
    Turn,
)

PROJECT = "bit_ttt"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """Every hook with its arguments and what it may return."""

    @hookspec
    def daemon_ready(self, home: Home, settings: Any) -> None:
        """Begin. Called once in each process that plugins run in, before any other hook but
        ``register_jobs`` and ``register_frontends``; again if that process had to be replaced.
        """

    @hookspec
    def register_jobs(self, home: Home, settings: Any) -> list[Job] | None:
        """Return what the daemon is to do at its time."""

    @hookspec
    def register_frontends(self, home: Home, settings: Any) -> list[Frontend] | None:
        """Return which processes the daemon is to keep running."""

    @hookspec
    def before_turn(self, turn: Turn, settings: Any) -> Added | None:
        """Return text for the prompt of this turn. The user waits.

        Not called off the record, nor for turns without the soul (exams and their controls).
        """

    @hookspec
    def memory_write_policy(self, turn: Turn, settings: Any) -> bool | None:
        """Return False for a turn that is only to be kept in the diary, not learned. What holds a
        secret is never learned, whatever is returned.
        """

    @hookspec
    def after_turn(self, turn: Turn, settings: Any) -> None:
        """Take note of a turn that is in the diary. Nobody waits."""

    @hookspec
    def on_event(self, event: Event, settings: Any) -> None:
        """Take note of something that happened. Nobody waits; who is too slow misses some."""

    @hookspec
    def body_swapped(self, body: Body, settings: Any) -> None:
        """Take note that another body answers from now on."""

    @hookspec
    def before_sleep(self, night: Night, settings: Any) -> None:
        """Take note that a night begins."""

    @hookspec
    def select_replay(self, night: Night, told: list[Told], settings: Any) -> list[str] | None:
        """Return the ids of what this night may go over; what is left out comes in a later one.
        Their order stays that of the diary: the newest fact wins.
        """

    @hookspec
    def make_dreams(self, night: Night, told: list[Told], settings: Any) -> list[Dream] | None:
        """Return what is to be dreamt of, beside the daemon's own dreams. Each is checked."""

    @hookspec
    def accept_sleep(self, report: Report, settings: Any) -> str | None:
        """Return why a night that passed its exam is to be rolled back all the same."""

    @hookspec
    def after_sleep(self, report: Report, settings: Any) -> None:
        """Take note of what came of a night."""

    @hookspec
    def vet_soul(self, soul: SoulFile, settings: Any) -> str | None:
        """Return why a soul file is not to be taken in."""

    @hookspec
    def shutdown(self, settings: Any) -> None:
        """End: the daemon is being stopped."""
