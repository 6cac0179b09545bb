"""A request under way, read as it comes (async)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from soul_client import calls
from soul_client.async_link import AsyncLink, AsyncMailbox
from soul_client.errors import ConnectionLost, TimedOut
from soul_client.exchange import NOT_BEGUN, Exchange, Update
from soul_client.stream import ACK_WITHIN_S, OnUpdate
from soul_client.wire import ChatDone, Chunk, Progress

R = TypeVar("R")


class AsyncStream(Generic[R]):
    """Answers of one request: iterate for ack, progress, chunks and the result at the end.

    Leaving the loop early, by ``break``, an exception or cancellation of the task, tells the
    daemon to stop the request; ``stop()`` then still brings its result.
    """

    def __init__(
        self,
        link: AsyncLink,
        exchange: Exchange[R],
        mailbox: AsyncMailbox,
        *,
        timeout_s: float | None,
    ) -> None:
        self._link = link
        self._exchange = exchange
        self._mailbox = mailbox
        self._until_s = math.inf
        if timeout_s is not None:
            self._until_s = asyncio.get_running_loop().time() + timeout_s
        self._is_cancelled = False

    @property
    def id(self) -> str:
        """The request id; any client can cancel the request by it."""
        return self._exchange.id

    @property
    def session(self) -> str:
        """The session the daemon chose, once it said so."""
        return self._exchange.ack.session if self._exchange.ack else ""

    @property
    def result(self) -> R | None:
        """The body of ``done``; None before it arrives."""
        return self._exchange.result

    @property
    def is_finished(self) -> bool:
        """Whether ``done`` or ``error`` has arrived."""
        return self._exchange.is_finished

    async def __aiter__(self) -> AsyncIterator[Update | R]:
        try:
            while not self.is_finished:
                yield await self.read()
        finally:
            if not self.is_finished:
                await self.cancel()

    async def read(self) -> Update | R:
        """Wait for the next answer.

        Raises:
            DaemonError: the request failed.
            ConnectionLost: the daemon went away, or fell silent.
            TimedOut: the time given for the request is over; it was told to stop.
        """
        until_s = None if self._until_s == math.inf else self._until_s
        try:
            async with asyncio.timeout_at(until_s):
                header, raw = await self._link.receive(self._mailbox)
        except TimeoutError as e:
            await self.cancel()
            pid = self._link.connection.pid
            raise TimedOut(f"the daemon (process {pid}) gave no answer in time") from e
        return self._exchange.feed(header, raw)

    async def wait(self, on_update: OnUpdate | None = None) -> R:
        """Read to the end and return the result; raises as ``read``."""
        async for update in self:
            if on_update is not None and isinstance(update, Update):
                on_update(update)
        assert self._exchange.result is not None
        return self._exchange.result

    async def begin(self, on_update: OnUpdate | None = None) -> R | None:
        """Read until the work has begun, and leave it to itself; raises as ``read``.

        Returns the result if that comes first, else None: it is not heard of any more.
        """
        while not self.is_finished:
            update = await self.read()
            if isinstance(update, Progress) and update.stage not in NOT_BEGUN:
                return None
            if on_update is not None and isinstance(update, Update):
                on_update(update)
        return self._exchange.result

    async def cancel(self) -> None:
        """Ask the daemon to stop this request; its end still arrives.

        Waits for the ack first (a moment at most): ``cancel`` takes another socket and must
        not arrive before the request.
        """
        if self._is_cancelled or self.is_finished or self._link.is_lost:
            return
        self._is_cancelled = True
        try:
            if not self._exchange.is_known:
                async with asyncio.timeout(ACK_WITHIN_S):
                    await self._link.await_mail(self._mailbox)
            await self._link.send(Exchange(calls.cancel(self.id)))
        except (ConnectionLost, TimeoutError):
            return  # nothing left to stop, or nobody who would

    async def stop(self, timeout_s: float = 10.0) -> R:
        """Cancel, and wait for the result; raises as ``read``."""
        await self.cancel()
        self._until_s = asyncio.get_running_loop().time() + timeout_s
        return await self.wait()


class AsyncReply:
    """A reply: iterate for its text as it comes, in whole characters."""

    def __init__(self, stream: AsyncStream[ChatDone], on_update: OnUpdate | None) -> None:
        self.stream = stream
        self._on_update = on_update

    @property
    def done(self) -> ChatDone | None:
        """The finished turn; None while it lasts."""
        return self.stream.result

    @property
    def session(self) -> str:
        """The session of this turn, once the daemon said so."""
        return self.stream.session

    async def __aiter__(self) -> AsyncIterator[str]:
        async for update in self.stream:
            if isinstance(update, Chunk):
                yield update.text
            elif self._on_update is not None and not isinstance(update, ChatDone):
                self._on_update(update)

    async def wait(self) -> ChatDone:
        """Read to the end and return the finished turn."""
        return await self.stream.wait()

    async def stop(self, timeout_s: float = 10.0) -> ChatDone:
        """Stop the reply and return what was said."""
        return await self.stream.stop(timeout_s)
