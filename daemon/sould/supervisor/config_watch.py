"""``config.yaml`` under watch: what may change live does, the rest is told to wait for a start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from sould import config as config_file
from sould.config import Config
from sould.errors import ConfigError
from sould.live import compare, take
from sould.supervisor.events import Events
from sould.supervisor.looker import Looker
from sould.supervisor.notices import Notices
from sould.supervisor.request import unasked
from sould.supervisor.scheduler import Scheduler

log = logging.getLogger(__name__)

SETTLE_S = 0.2
"""An editor may write an empty file first."""


class ConfigWatch:
    """Keeps ``config`` what the file says, as far as it may be. ``on_applied`` gets the keys that
    changed, between two turns if one of them asks for that.

    ``problem``: why the file is not in force at all; ``restart``: keys that wait for a start.
    """

    def __init__(
        self,
        config: Config,
        *,
        scheduler: Scheduler,
        events: Events,
        on_applied: Callable[[Sequence[str]], Awaitable[None]],
        on_change: Callable[[], None],
    ) -> None:
        self.problem = ""
        self.restart: list[str] = []
        self._config = config
        self._scheduler = scheduler
        self._events = events
        self._on_applied = on_applied
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._looker = Looker(self._look)
        self._stamp: tuple[int, int, int] | None = None
        self._since_s = 0.0
        self._read: tuple[int, int, int] | None = None
        self._reading = asyncio.Lock()

    def watch(self, notices: Notices) -> None:
        """Begin. Blocking: call it on a thread."""
        is_noticed = notices.watch(self._config.path.parent, self._noticed, recursive=False)
        self._loop.call_soon_threadsafe(self._looker.begin, is_noticed)

    def close(self) -> None:
        """Stop."""
        self._looker.close()

    async def take_up(self) -> None:
        """Let what the file says now count, without waiting to see whether it is left alone."""
        async with self._reading:
            await self._read_again()

    def _noticed(self, path: str) -> None:
        if path == str(self._config.path):
            self._looker.notice()

    async def _look(self) -> float | None:
        """Read the file once it has been left alone for a while."""
        stamp, now_s = await asyncio.to_thread(self._look_at_file), self._loop.time()
        if stamp != self._stamp:
            self._stamp, self._since_s = stamp, now_s
        if stamp == self._read:
            return None
        if (wait_s := self._since_s + SETTLE_S - now_s) > 0:
            return wait_s
        self._read = stamp
        await self.take_up()
        return None

    def _look_at_file(self) -> tuple[int, int, int]:
        try:
            stat = self._config.path.stat()
        except OSError:
            return (0, 0, 0)
        return stat.st_size, stat.st_mtime_ns, stat.st_ino

    async def _read_again(self) -> None:
        try:
            file = await asyncio.to_thread(config_file.load, self._config.path)
        except ConfigError as e:
            if str(e) != self.problem:
                self.problem = str(e)
                log.warning("the settings in force stay: %s", e)
                self._tell([])
            return
        changed = compare(self._config, file)
        is_news = bool(changed.live) or changed.restart != self.restart or bool(self.problem)
        self.problem, self.restart = "", changed.restart
        if changed.between_turns:
            async with self._scheduler.slot(unasked("config"), exclusive=True):
                await self._apply(file, changed.live)
        elif changed.at_once:
            await self._apply(file, changed.live)
        if changed.restart and is_news:
            log.warning(
                "%s: 'soul restart' is needed for %s to count",
                self._config.path,
                ", ".join(changed.restart),
            )
        if is_news:
            self._tell(changed.live)

    async def _apply(self, file: Config, keys: list[str]) -> None:
        take(self._config, file, keys)
        log.info("settings changed: %s", ", ".join(keys))
        await self._on_applied(keys)

    def _tell(self, applied: Sequence[str]) -> None:
        data = {"applied": list(applied), "restart": self.restart, "problem": self.problem}
        self._events.publish("config", data)
        self._on_change()
