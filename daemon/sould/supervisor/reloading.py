"""Hot reload: when the file of the loaded body has changed, the new one is loaded beside it,
tried, and takes its place between two turns; or the old one stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from soul_client.wire import ErrorCode, LoadedBody
from sould.bodystore.sighting import Sighting
from sould.bridge import Generate, Generated, Load
from sould.errors import BodyInvalid, Relayed, SouldError
from sould.supervisor import canary
from sould.supervisor.background import note_failure
from sould.supervisor.bodies import Bodies, Version
from sould.supervisor.engine import Engine
from sould.supervisor.engine_link import Spawn
from sould.supervisor.events import Events
from sould.supervisor.request import unasked
from sould.supervisor.rival import Rival
from sould.supervisor.scheduler import Scheduler

log = logging.getLogger(__name__)

Phase = Literal["checking", "used", "kept", "unloaded"]


class Reloading:
    """Sees to it that the body in use is the one that lies in ``models/``.

    ``whole``: a body as it is known to be whole.
    """

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        engine: Engine,
        bodies: Bodies,
        events: Events,
        spawn: Spawn,
        cancel_grace_s: float,
        whole: Callable[[str], Sighting | None],
        night_over: Callable[[], Awaitable[None]],
        on_change: Callable[[], None],
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._bodies = bodies
        self._events = events
        self._spawn = spawn
        self._cancel_grace_s = cancel_grace_s
        self._whole = whole
        self._night_over = night_over
        self._on_change = on_change
        self._tried: Version | None = None
        self._name = self._why = ""  # of what was tried last
        self._task: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str:
        """Return why what lies there is not used, "" if it is."""
        there = self._whole(self._name)
        is_tried = there is not None and version_of(there) == self._tried
        is_used = self._engine.body is not None and self._bodies.loaded == self._tried
        return self._why if is_tried and not is_used else ""

    def look(self) -> None:
        """Begin to reload if what is loaded is not what lies there; ``models/`` has changed."""
        is_busy = self._task is not None and not self._task.done()
        if not is_busy and self._due() is not None:
            self._task = asyncio.get_running_loop().create_task(self._reload())
            self._task.add_done_callback(note_failure)

    async def close(self) -> None:
        """Give up what is being tried."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})

    def _due(self) -> Version | None:
        loaded, there = self._bodies.loaded, self._whole(self._engine.body_name)
        return due(loaded if self._engine.body else None, there, self._tried)

    async def _reload(self) -> None:
        while (version := self._due()) is not None:
            self._tried = version
            await self._try(version)

    async def _try(self, version: Version) -> None:
        """Replace the body in use by a version of it; what hinders that is told."""
        name = self._engine.body_name
        self._tell(name, "checking")
        try:
            await self._night_over()  # it would be lost
            is_used = await self._replace(name, version)
        except SouldError as e:
            is_lost = self._engine.body is None
            why = f"body {name} has changed, but what is there now is not used: {e}"
            self._tell(name, "unloaded" if is_lost else "kept", why)
        else:
            if is_used:
                self._tell(name, "used")

    async def _replace(self, name: str, version: Version) -> bool:
        """Return whether the version is in use now; if not, something else is to be.

        Raises:
            SouldError: it cannot be; the old one is in use still, unless there was no room for
                both.
        """
        old = self._engine.body
        order, found = await asyncio.to_thread(self._bodies.order, name)
        if old is None or found != version or self._engine.is_reserved:
            return False
        rival: Rival | None = None
        try:
            with self._engine.held():
                if (smaller := beside(order, old)) is None:
                    return await self._replace_after(name, version)
                rival = Rival(self._spawn, cancel_grace_s=self._cancel_grace_s)
                try:
                    body = await rival.load(smaller)
                except Relayed as e:
                    if e.code is not ErrorCode.NO_MEMORY:
                        raise
                    await rival.end()
                    return await self._replace_after(name, version)
                await self._check(canary.check(rival.generate), version)
                return await self._swap(rival, body, name, version)
        finally:
            if rival is not None and not self._engine.owns(rival.link):
                await rival.end()

    async def _swap(self, rival: Rival, body: LoadedBody, name: str, version: Version) -> bool:
        """Let a body that was tried take over, once nobody is being answered."""
        async with self._scheduler.slot(unasked("reload"), exclusive=True):
            if is_used := await self._engine.adopt(rival.link, body, name):
                self._bodies.replaced(version)
            return is_used

    async def _replace_after(self, name: str, version: Version) -> bool:
        """Load the version once the old one is gone: there is no room for both."""
        async with self._scheduler.slot(unasked("reload"), exclusive=True):
            if self._engine.body_name != name or self._engine.is_reserved:
                return False
            log.info("no room for two bodies: %s is unloaded before it is loaded anew", name)
            await self._engine.unload("swap")
            await self._engine.ensure(name, lambda _: None)
            try:
                await self._check(canary.check(self._ask), version)
            except SouldError:
                await self._engine.unload("swap")
                raise
            self._bodies.replaced(version)
            return True

    async def _ask(self, order: Generate) -> Generated:
        said = await self._engine.ask("generate", order)
        assert isinstance(said, Generated)
        return said

    async def _check(self, checking: Awaitable[None], version: Version) -> None:
        """Wait for a body to be tried.

        Raises:
            BodyInvalid: it cannot speak; this version is not loaded again.
        """
        try:
            await checking
        except BodyInvalid as e:
            self._bodies.refuse(version, e.message)
            raise

    def _tell(self, name: str, phase: Phase, why: str = "") -> None:
        self._name, self._why = name, why
        if why:
            log.warning("%s", why)
        else:
            log.info("changed body %s: %s", name, phase)
        self._events.publish("reload", {"body": name, "phase": phase, "why": why})
        self._on_change()


def due(loaded: Version | None, there: Sighting | None, tried: Version | None) -> Version | None:
    """Return what is to be loaded in place of what is loaded, if anything is. Pure."""
    if loaded is None or there is None:
        return None
    version = version_of(there)
    return None if version in (loaded, tried) or version.path != loaded.path else version


def version_of(seen: Sighting) -> Version:
    """Return which version of a body was seen. Pure."""
    return Version(path=seen.entry.path, stamp=seen.stamp)


def beside(order: Load, loaded: LoadedBody) -> Load | None:
    """Return how to load a body beside the loaded one, within what it leaves of the budgets that
    are set; None if it leaves nothing. Budgets that are not set go by what is free. Pure.
    """
    on_gpu = loaded.device != "cpu"
    key = "vram_budget_bytes" if on_gpu else "memory_budget_bytes"
    budget = order.vram_budget_bytes if on_gpu else order.memory_budget_bytes
    if budget is None:
        return order
    left = budget - loaded.memory_bytes
    return msgspec.structs.replace(order, **{key: left}) if left > 0 else None
