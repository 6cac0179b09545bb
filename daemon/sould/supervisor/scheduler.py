"""Slots of the engine: requests wait for theirs and are told their position."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sould.errors import Busy
from sould.supervisor.queue import FairQueue
from sould.supervisor.request import Request


class Scheduler:
    """Runs a ``FairQueue``: wakes requests when it is their turn."""

    def __init__(self, *, parallel: int, max_queue: int, on_change: Callable[[], None]) -> None:
        self._queue: FairQueue[Request] = FairQueue(parallel)
        self._max_queue = max_queue
        self._turns: dict[Request, asyncio.Future[None]] = {}
        self._on_change = on_change
        self._crowd = asyncio.Event()

    @property
    def running(self) -> int:
        """How many requests have a slot."""
        return self._queue.running

    @property
    def is_idle(self) -> bool:
        """Nobody has a slot, nor waits for one."""
        return not self._queue.running and not self._queue.waiting

    async def crowded(self) -> None:
        """Return as soon as a request waits for a slot."""
        await self._crowd.wait()

    @asynccontextmanager
    async def slot(
        self, request: Request, *, session: str = "", lane: str = "", exclusive: bool = False
    ) -> AsyncIterator[None]:
        """Ack the request, hold a slot for it as soon as it is its turn.

        Raises:
            Busy: too many requests wait.
            Stopped: it was stopped while it waited.
        """
        if request.client and self._queue.waiting >= self._max_queue:  # there is room for our own
            raise Busy(
                f"{self._queue.waiting} requests wait already, the most allowed", "try later"
            )
        turn = self._turns[request] = asyncio.get_running_loop().create_future()
        self._queue.add(request, request.client, lane, exclusive=exclusive)
        try:
            self._start_next()
            request.ack(self._queue.positions().get(request, 0), session)
            if not turn.done():
                self._on_change()
                await request.race(turn)
            yield
        finally:
            del self._turns[request]
            self._queue.finish(request)
            self._start_next()
            self._on_change()

    def _start_next(self) -> None:
        for request in self._queue.take():
            if not self._turns[request].done():
                self._turns[request].set_result(None)
            request.moved(0)
        for request, position in self._queue.positions().items():
            request.moved(position)
        if self._queue.waiting:
            self._crowd.set()
        else:
            self._crowd.clear()
