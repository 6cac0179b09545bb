"""``models/`` under watch: what is whole in it is known, and what changes is told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from soul_client.wire import BodyEntry
from sould.bodystore.registry import POLLED_SETTLE_S, Change, Registry
from sould.bodystore.sighting import Sighting, sight
from sould.supervisor.events import Events
from sould.supervisor.looker import ANYWAY_S, POLL_S, Looker
from sould.supervisor.notices import Notices

log = logging.getLogger(__name__)

Mode = Literal["starting", "notices", "polling"]


class ModelsWatch:
    """The edge of a ``Registry``. ``on_change`` is called when something in it has changed."""

    def __init__(self, models: Path, events: Events) -> None:
        self.mode: Mode = "starting"
        self.on_change: Callable[[], None] = lambda: None
        self._models = models
        self._events = events
        self._registry = Registry()
        self._looker = Looker(self._look)
        self._loop = asyncio.get_running_loop()
        self._has_looked = False

    def watch(self, notices: Notices) -> None:
        """Begin. Blocking: call it on a thread."""
        is_noticed = notices.watch(self._models, self._noticed, recursive=True)
        self._loop.call_soon_threadsafe(self._begin, is_noticed)

    async def bodies(self) -> list[BodyEntry]:
        """Look, and return the bodies that are whole.

        Raises:
            StorageError: the folder cannot be read.
        """
        await self._looker.now()
        return self._registry.bodies

    def whole(self, name: str) -> Sighting | None:
        """Return a body as it lies there, if it is known to be whole."""
        return self._registry.whole(name)

    def vouch(self, name: str) -> None:
        """Take note that a body was placed whole."""
        self._registry.vouch(name)
        self._looker.notice()

    def close(self) -> None:
        """Stop."""
        self._looker.close()

    def _begin(self, is_noticed: bool) -> None:
        self.mode = "notices" if is_noticed else "polling"
        if not is_noticed:
            self._registry.settle_s = POLLED_SETTLE_S
        self._looker.notice()

    def _noticed(self, path: str) -> None:
        self._looker.notice()

    async def _look(self) -> float | None:
        seen = await asyncio.to_thread(sight, self._models)
        changes, wait_s = self._registry.handle(seen, now_s=self._loop.time(), wall_s=time.time())
        is_blind = self.mode == "polling" or any(one.is_linked for one in seen.values())
        self._looker.every_s = POLL_S if is_blind else ANYWAY_S
        if changes and self._has_looked:
            self._tell(changes)
        self._has_looked = True
        return wait_s

    def _tell(self, changes: Sequence[Change]) -> None:
        for change in changes:
            was = f" (was {change.was})" if change.was else ""
            log.info("body %s: %s%s", change.kind, change.name, was)
        told = [msgspec.to_builtins(change) for change in changes]
        self._events.publish("bodies", {"changes": told})
        self.on_change()
