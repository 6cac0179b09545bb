"""Frontends of plugins: child processes that are kept running while the daemon does."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from soul_client.wire import FrontendStatus
from sould.plugin.declared import Frontend
from sould.supervisor.background import Background
from sould.supervisor.engine_process import describe_exit
from sould.supervisor.events import Events
from sould.supervisor.frontend_process import FrontendProcess

log = logging.getLogger(__name__)

RUNNER = (sys.executable, "-P", "-m", "sould", "run-frontend")


class Patience(Struct, frozen=True, kw_only=True):
    """How long a frontend is waited for, in seconds.

    It is started again after ``first_s``, after twice that if it ends again, and so on up to
    ``longest_s``; one that ran for ``settled_s`` begins anew. At shutdown it has ``grace_s``.
    """

    first_s: float = 1.0
    longest_s: float = 300.0
    settled_s: float = 60.0
    grace_s: float = 2.0

    def delay_s(self, failures: int) -> float:
        """Return how long to wait after so many ends in a row, from 1."""
        return min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 64))


class Frontends:
    """Keeps the frontends of all plugins, and publishes how each of them is when that changes."""

    def __init__(
        self, *, config_path: Path, events: Events, patience: Patience | None = None
    ) -> None:
        self._config_path = config_path
        self._events = events
        self._patience = patience or Patience()
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._leaving: set[_Kept] = set()
        self._background = Background()
        self._is_closing = False

    def keep(self, declared: Sequence[tuple[str, Frontend]]) -> None:
        """Keep these running, each with its plugin's name, and no others: what runs already stays
        as it is, unless it is declared in another way now.
        """
        if self._is_closing:
            return
        wanted = {(plugin, frontend.name): frontend for plugin, frontend in declared}
        for key in [k for k, kept in self._kept.items() if wanted.get(k) != kept.frontend]:
            leaving = self._kept.pop(key)
            self._leaving.add(leaving)
            self._background.start(self._end(leaving))
        for key, frontend in wanted.items():
            if key not in self._kept:
                self._kept[key] = _Kept(
                    key[0], frontend, self._config_path, self._patience, self._changed
                )

    async def close(self) -> None:
        """End all of them, and wait until they are gone."""
        self._is_closing = True
        self._leaving |= set(self._kept.values())
        self._kept.clear()
        await asyncio.gather(*map(self._end, self._leaving))

    def status(self) -> list[FrontendStatus]:
        """Return how each of them is."""
        return [kept.status() for kept in self._kept.values()]

    async def _end(self, kept: _Kept) -> None:
        await kept.end()
        self._leaving.discard(kept)

    def _changed(self, status: FrontendStatus) -> None:
        self._events.publish("frontend", status)


class _Kept:
    """One frontend: started at once, and again whenever it ends, until it is told to end."""

    def __init__(
        self,
        plugin: str,
        frontend: Frontend,
        config_path: Path,
        patience: Patience,
        on_change: Callable[[FrontendStatus], None],
    ) -> None:
        self._plugin = plugin
        self.frontend = frontend
        self._environ = {**os.environ, "BIT_TTT_CONFIG": str(config_path)}
        self._patience = patience
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._process: FrontendProcess | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._gone = asyncio.Event()
        self._state: Literal["running", "waiting", "ended"] = "waiting"
        self._started_at = 0.0
        self._failures = 0
        self._restarts = 0
        self._problem = ""
        self._start()

    def status(self) -> FrontendStatus:
        """Return how it is."""
        return FrontendStatus(
            plugin=self._plugin,
            name=self.frontend.name,
            state=self._state,
            pid=self._process.pid if self._process else 0,
            restarts=self._restarts,
            problem=self._problem,
        )

    async def end(self) -> None:
        """Ask it to end, make it after the grace time, and wait until it is gone."""
        is_first, self._state = self._state != "ended", "ended"
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._process is not None:
            self._process.end()
            killing = self._loop.call_later(self._patience.grace_s, self._process.kill)
            await self._gone.wait()
            killing.cancel()
        if is_first:
            self._on_change(self.status())

    def _start(self) -> None:
        self._retry = None
        self._gone.clear()
        self._started_at = self._loop.time()
        command = [*RUNNER, self.frontend.module, *self.frontend.args]
        try:
            self._process = FrontendProcess(
                command,
                first_line=msgspec.json.encode(self.frontend.settings),
                environ=self._environ,
                on_exit=self._exited,
            )
        except OSError as e:  # no process or memory left
            self._failed(f"it could not be started: {e.strerror}")
            return
        self._state = "running"
        log.info(
            "frontend %s of plugin %s runs pid=%d",
            *(self.frontend.name, self._plugin, self._process.pid),
        )
        self._on_change(self.status())

    def _exited(self, returncode: int, last_line: str) -> None:
        self._process = None
        self._gone.set()
        if self._state == "ended":
            log.info("frontend %s of plugin %s ended", self.frontend.name, self._plugin)
            return
        self._failed(describe_exit(returncode, last_line), describe_exit(returncode, ""))

    def _failed(self, problem: str, logged: str = "") -> None:
        """Try again later. ``logged`` leaves out what it printed: somebody may have said it."""
        ran_s = self._loop.time() - self._started_at
        self._failures = 1 if ran_s >= self._patience.settled_s else self._failures + 1
        self._restarts += 1
        self._problem = problem
        self._state = "waiting"
        delay_s = self._patience.delay_s(self._failures)
        log.warning(
            "frontend %s of plugin %s ended after %.1f s (%s); it is started again in %g s",
            *(self.frontend.name, self._plugin, ran_s, logged or problem, delay_s),
        )
        self._retry = self._loop.call_later(delay_s, self._start)
        self._on_change(self.status())
