"""The daemon's events, read as they come (async)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import zmq
import zmq.asyncio

from soul_client import codec, sockets
from soul_client.errors import ConnectionLost, NotRunning
from soul_client.exchange import EventCursor, SeenEvent, state_event
from soul_client.sockets import Keys
from soul_client.wire import Connection, Status


class AsyncSubscription:
    """Events from the entry of its ``async with`` on.

    After a gap comes a ``state`` event that says how things stand.
    """

    def __init__(
        self,
        *,
        find: Callable[[], Awaitable[tuple[Connection, Keys | None]]],
        ask_status: Callable[[], Awaitable[Status]],
        timeout_s: float,
    ) -> None:
        self._find = find
        self._ask_status = ask_status
        self._timeout_s = timeout_s
        self._cursor = EventCursor()
        self._context = zmq.asyncio.Context()

    async def __aenter__(self) -> AsyncSubscription:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connect()
        except TimeoutError as e:
            await self.__aexit__()
            raise NotRunning("no daemon answers a subscription") from e
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _connect(self) -> None:
        self._connection, keys = await self._find()
        self._socket = sockets.new_socket(self._context, zmq.SUB, keys)
        self._monitor = sockets.monitor(self._socket)
        self._poller = zmq.asyncio.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._socket.connect(self._connection.evt)
        if await self._look() != "up":
            raise NotRunning(f"no daemon listens at {self._connection.evt}")

    async def __aexit__(self, *_: object) -> None:
        self._context.destroy(linger=0)

    async def __aiter__(self) -> AsyncIterator[SeenEvent]:
        while True:
            seen = await self.read()
            yield seen
            if seen.missed:
                yield state_event(seen.seq, await self._ask_status())

    async def read(self) -> SeenEvent:
        """Wait for the next event.

        Raises:
            ConnectionLost: the daemon went away.
        """
        while (seen := await self._next()) is None:
            await self._poller.poll()
            if await self._socket.poll(0):
                continue
            if await self._monitor.poll(0) and await self._look() == "lost":
                raise ConnectionLost(f"the daemon (process {self._connection.pid}) went away")
        return seen

    async def _next(self) -> SeenEvent | None:
        """Return what has arrived already, if anything has."""
        while await self._socket.poll(0):
            frames = await self._socket.recv_multipart()
            seen = self._cursor.feed(*codec.unpack(frames, sockets.INBOUND_LIMITS))
            if seen is not None:
                return seen
        return None

    async def _look(self) -> sockets.LinkEvent:
        return sockets.read_event(await self._monitor.recv_multipart())
