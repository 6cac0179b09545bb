"""What the daemon asks of plugins, in its own terms; without any, every answer is the default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sould.config import Config
from sould.plugin.declared import Frontend, Job
from sould.plugin.structs import (
    Body,
    Event,
    Home,
    Night,
    Report,
    SoulFile,
    Told,
    Turn,
)
from sould.pluginhost.table import PATIENCE
from sould.supervisor.plugins.calls import Answers, none
from sould.supervisor.plugins.keeper import Keeper
from sould.supervisor.plugins.standing import Standing
from sould.version import version

SHORTEST_WAIT_S = 1.0
UNHEARD = ("log", "welcome", "progress")
"""Events that no plugin gets: a plugin that logs would hear itself, and progress is many."""


class Plugins:
    """All hooks but those the keeper calls itself. ``keeper``: None without plugins."""

    def __init__(self, keeper: Keeper | None, budget_s: float) -> None:
        self._keeper = keeper
        self._turn_wait_s = max(SHORTEST_WAIT_S, 2 * budget_s)
        self._patient_wait_s = max(SHORTEST_WAIT_S, 2 * PATIENCE * budget_s)

    @property
    def jobs(self) -> list[tuple[str, Job]]:
        """What plugins want done at its time, with the plugin's name."""
        return [(name, job) for name, one in self._usable() for job in one.jobs]

    @property
    def frontends(self) -> list[tuple[str, Frontend]]:
        """Which processes plugins want to be kept running, with the plugin's name."""
        return [(name, frontend) for name, one in self._usable() for frontend in one.frontends]

    def before_turn(self, turn: Turn) -> Answers:
        """Begin to ask what plugins add to the prompt (``Added``)."""
        return self._call("before_turn", self._turn_wait_s, turn=turn)

    def may_learn(self, turn: Turn) -> Answers:
        """Begin to ask whether plugins object to a turn being learned: False."""
        return self._call("memory_write_policy", self._turn_wait_s, turn=turn)

    def after_turn(self, turn: Turn) -> None:
        """Tell of a turn that is in the diary, a moment later: its ``done`` leaves first."""
        asyncio.get_running_loop().call_soon(partial(self._tell, "after_turn", turn=turn))

    def event(self, name: str, ts: str, data: dict[str, Any]) -> None:
        """Tell of an event."""
        if name not in UNHEARD:
            self._tell("on_event", event=Event(name=name, ts=ts, data=data))

    def body_swapped(self, body: Body) -> None:
        """Tell that another body answers."""
        self._tell("body_swapped", body=body)

    def before_sleep(self, night: Night) -> None:
        """Tell that a night begins."""
        self._tell("before_sleep", night=night)

    async def select_replay(self, night: Night, told: Sequence[Told]) -> set[str]:
        """Return the ids of what no plugin leaves out of a night."""
        found = await self._call("select_replay", self._patient_wait_s, night=night, told=told)
        chosen = {one.id for one in told}
        for _, ids in found:
            chosen &= set(ids)
        return chosen

    async def accept_sleep(self, report: Report) -> str:
        """Return who objects to a night, and why, or ""."""
        return _objection(await self._call("accept_sleep", self._patient_wait_s, report=report))

    def after_sleep(self, report: Report) -> None:
        """Tell what came of a night."""
        self._tell("after_sleep", report=report)

    async def vet_soul(self, soul: SoulFile) -> str:
        """Return who objects to a soul file, and why, or ""."""
        return _objection(await self._call("vet_soul", self._patient_wait_s, soul=soul))

    def standings(self) -> list[tuple[str, Standing]]:
        """Return how each enabled plugin stands, in the order they are asked in."""
        return [] if self._keeper is None else self._keeper.standings.items()

    def start(self) -> None:
        """Begin to start what plugins run in; nobody waits for it."""
        if self._keeper is not None:
            self._keeper.start()

    async def close(self) -> None:
        """Tell plugins that it ends, and end what they run in."""
        if self._keeper is not None:
            await self._keeper.close()

    def _usable(self) -> list[tuple[str, Standing]]:
        return [(name, one) for name, one in self.standings() if one.state == "on"]

    def _tell(self, hook: str, **args: Any) -> None:
        if self._keeper is not None:
            self._keeper.tell(hook, args)

    def _call(self, hook: str, wait_s: float, **args: Any) -> Answers:
        if self._keeper is None:
            return none()
        return self._keeper.call(hook, args, wait_s)


def make_plugins(config: Config, daemon_id: str, on_declared: Callable[[], None]) -> Plugins:
    """Return the plugins of a config, not started yet."""
    wanted = config.plugins
    if not wanted.enabled:
        return Plugins(None, 0)
    budget_s = wanted.time_budget_ms / 1000
    keeper = Keeper(
        home=Home(
            config=str(config.path),
            workspace=str(config.workspace),
            language=config.language,
            version=version(),
            daemon_id=daemon_id,
        ),
        enabled=wanted.enabled,
        settings=wanted.settings,
        budget_s=budget_s,
        memory_bytes=wanted.memory_mb * 1_000_000,
        on_declared=on_declared,
    )
    return Plugins(keeper, budget_s)


def _objection(found: Sequence[tuple[str, str]]) -> str:
    return next((f"plugin {name}: {why}" for name, why in found if why), "")
