"""What the daemon asks of plugins, in its own terms; without any, every answer is the default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sould.config import Config, PluginsConfig
from sould.plugin.declared import Frontend, Job
from sould.plugin.structs import (
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
from sould.pluginhost.table import PATIENCE
from sould.supervisor.plugins.calls import Answers, none
from sould.supervisor.plugins.keeper import Keeper
from sould.supervisor.plugins.standing import Standing
from sould.version import version

SHORTEST_WAIT_S = 1.0
UNHEARD = ("log", "welcome", "progress")
"""Events that no plugin gets: a plugin that logs would hear itself, and progress is many."""


class Plugins:
    """All hooks but those the keeper calls itself. There is a keeper if any plugin is enabled.

    ``on_declared``: as the keeper has it.
    """

    def __init__(self, wanted: PluginsConfig, home: Home, on_declared: Callable[[], None]) -> None:
        self._home = home
        self._on_declared = on_declared
        self._use(wanted)

    def _use(self, wanted: PluginsConfig) -> None:
        budget_s = wanted.time_budget_ms / 1000
        self._turn_wait_s = max(SHORTEST_WAIT_S, 2 * budget_s)
        self._patient_wait_s = max(SHORTEST_WAIT_S, 2 * PATIENCE * budget_s)
        self._keeper: Keeper | None = None
        if wanted.enabled:
            self._keeper = Keeper(
                home=self._home,
                enabled=wanted.enabled,
                settings=wanted.settings,
                budget_s=budget_s,
                memory_bytes=wanted.memory_mb * 1_000_000,
                on_declared=self._on_declared,
            )

    async def change(self, wanted: PluginsConfig) -> None:
        """Use these plugins, in a process of their own, once the former one has ended."""
        former = self._keeper
        self._use(wanted)
        if former is not None:
            await former.close()
        if self._keeper is None:
            self._on_declared()  # else it says so when it knows
        self.start()

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

    async def make_dreams(
        self, night: Night, told: Sequence[Told]
    ) -> list[tuple[str, list[Dream]]]:
        """Return what plugins would have a soul dream of. Nothing of it is checked."""
        return await self._call("make_dreams", self._patient_wait_s, night=night, told=told)

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
    home = Home(
        config=str(config.path),
        workspace=str(config.workspace),
        language=config.language,
        version=version(),
        daemon_id=daemon_id,
    )
    return Plugins(config.plugins, home, on_declared)


def _objection(found: Sequence[tuple[str, str]]) -> str:
    return next((f"plugin {name}: {why}" for name, why in found if why), "")
