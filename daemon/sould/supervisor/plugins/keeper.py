"""Keep the plugin host: start it, ask it, end it when it hangs, start it again."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sould.plugin.structs import Home
from sould.pluginhost.mark import At
from sould.pluginhost.messages import (
    EXIT_MEMORY,
    Answered,
    Call,
    Drop,
    Failure,
    Load,
    Ready,
    Wanted,
)
from sould.pluginhost.table import HOOKS, PATIENCE
from sould.supervisor.background import Background
from sould.supervisor.engine_process import describe_exit
from sould.supervisor.plugins.calls import Answers, Calls, none
from sould.supervisor.plugins.discovery import Found, installed, resolve
from sould.supervisor.plugins.hanging import Hanging
from sould.supervisor.plugins.process import HostProcess
from sould.supervisor.plugins.standing import MOST_STRIKES, Standings

log = logging.getLogger(__name__)

HOST_COMMAND = (sys.executable, "-P", "-m", "sould", "plugin-host")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
"""Before a host that ended is started again; twice as long each time, until one lives long."""
LONG_LIFE_S = 60.0
MOST_UNEXPLAINED = 5
"""Ends in a row that no plugin can be named for; then there is no host any more."""
SHUTDOWN_S = 2.0
END_S = 0.5


class Keeper:
    """The host of all enabled plugins, whether it lives at the moment or not.

    ``on_declared`` is called when plugins have said what they declare, and when one of them is
    given up. Nobody waits for a host that is started again: there are no answers meanwhile.
    """

    def __init__(
        self,
        *,
        home: Home,
        enabled: Sequence[str],
        settings: dict[str, dict[str, Any]],
        budget_s: float,
        memory_bytes: int,
        on_declared: Callable[[], None],
        command: Sequence[str] = HOST_COMMAND,
    ) -> None:
        self.standings = Standings(enabled)
        self._home = home
        self._enabled = enabled
        self._plugins: list[Found] = []
        self._settings = settings
        self._budget_s = budget_s
        self._memory_bytes = memory_bytes
        self._on_declared = on_declared
        self._command = command
        self._loop = asyncio.get_running_loop()
        self._background = Background()
        self._calls = Calls(self._loop)
        self._early: list[Callable[[], None]] = []  # what was asked before the first host is there
        self._process: HostProcess | None = None
        self._order: list[str] = []  # names by the index that the host has for them
        self._is_ready = self._is_closing = False
        self._is_first_time = True  # who asks waits for the first start, and for no other
        self._hanging = Hanging(self._loop)
        self._pause_s = FIRST_PAUSE_S
        self._unexplained = 0
        self._started_s = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether there is a host that has loaded its plugins."""
        return self._is_ready

    @property
    def pid(self) -> int | None:
        """The host's process id; None: there is none at the moment."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Begin to start the host, if there is anything to run in it."""
        self._background.start(self._find_and_start())

    def call(self, hook: str, args: dict[str, Any], wait_s: float) -> Answers:
        """Begin to ask plugins; they have answered, or nothing, after ``wait_s`` seconds."""
        if not self.standings.may_have(hook):
            return none()
        id_, answers = self._calls.begin(hook, wait_s)
        ask = partial(self._ask, id_, hook, args)
        if self._is_first_time:
            self._early.append(ask)
        else:
            ask()
        return answers

    def tell(self, hook: str, args: dict[str, Any]) -> None:
        """Call a hook that nobody waits for; who is not there, or too far behind, misses it."""
        if self._is_ready and self._process is not None and self.standings.may_have(hook):
            if self._process.send(Call(id=0, hook=hook, args=args)):
                self._hanging.watch(self._process, self._calls)
            else:
                log.debug("plugins are too far behind to be told of %s", hook)

    async def close(self) -> None:
        """Tell the plugins that it ends, and end the host."""
        if self._is_ready:
            await self.call("shutdown", {}, SHUTDOWN_S)
        self._is_closing = True
        self._first_time_over()
        self._background.cancel()
        self._hanging.rest()
        if (process := self._process) is None:
            return
        process.end()
        try:
            async with asyncio.timeout(END_S):
                await process.gone.wait()
        except TimeoutError:
            process.kill()
            await process.gone.wait()

    async def _find_and_start(self) -> None:
        known = await asyncio.to_thread(installed)
        self._plugins = resolve(self._enabled, known)
        for plugin in self._plugins:
            if plugin.problem:
                self.standings.fail(plugin.name, plugin.problem)
                log.warning("plugin %s cannot be used: %s", plugin.name, plugin.problem)
        await self._start()

    async def _start(self) -> None:
        usable = set(self.standings.usable)
        plugins = [plugin for plugin in self._plugins if plugin.name in usable]
        if self._is_closing:
            return
        if not plugins:
            self._first_time_over()
            self._on_declared()
            return
        self._order = [plugin.name for plugin in plugins]
        self._started_s = self._loop.time()
        process = HostProcess(on_message=self._take, on_exit=self._ended)
        try:
            await process.start(self._command)
        except OSError as e:
            self._stop_trying(f"the plugin host cannot be started: {e}")
            return
        self._process = process
        process.send(
            Load(
                home=self._home,
                plugins=[
                    Wanted(name=p.name, target=p.target, settings=self._settings.get(p.name, {}))
                    for p in plugins
                ],
                budget_s=self._budget_s,
                patient_s=self._budget_s * PATIENCE,
                memory_bytes=self._memory_bytes,
            )
        )
        self._hanging.watch(process, self._calls, is_loading=True)

    def _ask(self, id_: int, hook: str, args: dict[str, Any]) -> None:
        process = self._process
        if id_ not in self._calls:
            return  # nobody waits for it any more
        if (
            self._is_ready
            and process is not None
            and self.standings.may_have(hook)
            and process.send(Call(id=id_, hook=hook, args=args))
        ):
            self._hanging.watch(process, self._calls)
        else:
            self._calls.answer(id_, [])

    def _first_time_over(self) -> None:
        """Ask what was asked meanwhile; from now on nobody waits for a host."""
        self._is_first_time = False
        for ask in self._early:
            ask()
        self._early.clear()

    def _take(self, message: Ready | Answered) -> None:
        match message:
            case Ready():
                self._ready(message)
            case Answered():
                self._calls.answer(message.id, message.answers)
                self._count(message.failures)

    def _ready(self, ready: Ready) -> None:
        for loaded in ready.plugins:
            if loaded.name not in self.standings:
                continue
            self.standings.loaded(loaded)
            if loaded.problem:
                log.warning("plugin %s cannot be used: %s", loaded.name, loaded.problem)
        self._is_ready = True
        self._count(ready.failures)
        log.info("plugins: %s", ", ".join(self.standings.usable) or "none")
        self._hanging.loaded()
        self._on_declared()
        self.tell("daemon_ready", {"home": self._home})
        self._first_time_over()

    def _count(self, failures: Sequence[Failure]) -> None:
        for failure in failures:
            log.debug("plugin %s: %s", failure.plugin, failure.detail)
            self._strike(failure.plugin, f"{failure.hook} {failure.what}")

    def _strike(self, name: str, what: str) -> None:
        if name not in self.standings or self.standings[name].state == "disabled":
            return
        one = self.standings.strike(name, what)
        log.warning("plugin %s: %s (failure %d of %d)", name, what, one.strikes, MOST_STRIKES)
        if one.state == "disabled":
            log.error("plugin %s is disabled until the daemon starts anew", name)
            if self._process is not None:
                self._process.send(Drop(plugin=name))
                if not self.standings.usable:
                    self._process.end()
            self._on_declared()

    def _ended(self, returncode: int, at: At) -> None:
        """Find out whose fault it was, and start another host a little later."""
        assert self._process is not None
        words = self._process.last_line
        was_ended = self._hanging.has_ended
        self._process, self._is_ready = None, False
        self._hanging.rest()
        self._first_time_over()
        self._calls.give_up()
        if self._is_closing or not self.standings.usable:
            return
        if at.plugin is not None and at.plugin < len(self._order):
            how = "does not come back" if was_ended else describe_exit(returncode, words)
            self._strike(self._order[at.plugin], f"{HOOKS[at.hook]} ended the plugin host: {how}")
        elif returncode != EXIT_MEMORY:
            log.warning("the plugin host ended: %s", describe_exit(returncode, words))
            self._unexplained += 1
        self._start_again()

    def _start_again(self) -> None:
        if self._loop.time() - self._started_s >= LONG_LIFE_S:
            self._pause_s, self._unexplained = FIRST_PAUSE_S, 0
        if self._unexplained >= MOST_UNEXPLAINED:
            self._stop_trying(f"the plugin host ended {MOST_UNEXPLAINED} times, nobody knows why")
            return
        self._loop.call_later(self._pause_s, lambda: self._background.start(self._start()))
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _stop_trying(self, problem: str) -> None:
        log.error("%s; there are no plugins until the daemon starts anew", problem)
        for name in self.standings.usable:
            self.standings.fail(name, problem)
        self._first_time_over()
        self._on_declared()
