"""One request of a client, from ack to its final frame, and the token that stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct

from soul_client.wire import Ack, Chunk, Error, ErrorCode, Header, Kind, Progress

T = TypeVar("T")
Emit = Callable[[Header, Struct | None], None]

PULSE_S = 0.9
"""A request that said nothing for so long repeats itself."""


class StopReason(StrEnum):
    """Who or what stopped a request."""

    CANCELLED = "cancelled"
    GONE = "gone"
    SLOW = "slow"
    DEADLINE = "deadline"
    SHUTDOWN = "shutdown"


_UNHEARD = (StopReason.GONE, StopReason.SLOW)


class Stopped(Exception):
    """The request was stopped while it waited for something."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Request:
    """Answers go out in the order of the wire: ack, progress*, chunk*, one of done | error."""

    def __init__(
        self,
        *,
        client: bytes,
        id: str,
        method: str,
        emit: Emit,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.client = client
        self.id = id
        self.method = method
        self.position = 0
        self.stop_reason: StopReason | None = None
        self.outlives_client = False
        """It goes on when its client has gone; then nobody hears how it ends."""
        self._loop = asyncio.get_running_loop()
        self.accepted_at = self._loop.time()
        self._emit = emit
        self._on_progress = on_progress
        self._stop = self._loop.create_future()
        self._progress: Progress | None = None
        self._last_sent_at = self.accepted_at
        self._is_acked = self._has_spoken = False
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def age_s(self) -> float:
        """Seconds since the request was accepted."""
        return self._loop.time() - self.accepted_at

    def ack(self, position: int = 0, session: str = "") -> None:
        """Accept the request; one that waits for its turn again is told of that only."""
        if self._is_acked:
            self.moved(position)
            return
        self.position = position
        self._is_acked = True
        self._send(Kind.ACK, Ack(position=position, session=session))

    def progress(self, progress: Progress) -> None:
        """Say how far the request is; silent once the reply has begun."""
        self._progress = progress
        self._on_progress(progress)
        if not self._has_spoken:
            self._send(Kind.PROGRESS, progress)

    def moved(self, position: int) -> None:
        """Say that the request moved up in the queue; 0: it begins."""
        if self._is_acked and position != self.position:
            self.position = position
            self.progress(Progress(stage="queued", position=position))

    def chunk(self, text: str) -> None:
        """Stream a piece of the reply."""
        self._has_spoken = True
        self._send(Kind.CHUNK, Chunk(text=text))

    def done(self, result: Struct) -> None:
        """End the request with its result."""
        self._close()
        self._send(Kind.DONE, result)

    def error(self, code: ErrorCode, message: str, hint: str = "") -> None:
        """End the request with an error."""
        self._close()
        self._send(Kind.ERROR, Error(code=code, message=message, hint=hint))

    def pulse(self) -> None:
        """Repeat the last progress, or say an empty chunk, if nothing was sent for a while:
        only sending notices a vanished client.
        """
        if self._loop.time() - self._last_sent_at < PULSE_S:
            return
        if self._has_spoken:
            self.chunk("")
        elif self._progress is not None:
            self._send(Kind.PROGRESS, self._progress)

    def stop(self, reason: StopReason) -> None:
        """Ask the request to stop; the first reason counts."""
        if self.outlives_client and reason in _UNHEARD:
            self._emit = lambda header, body: None
            return
        if self.stop_reason is None:
            self.stop_reason = reason
            if not self._stop.done():
                self._stop.set_result(None)

    def stop_after(self, deadline_s: float) -> None:
        """Stop the request when so many seconds have passed."""
        self._deadline = self._loop.call_later(deadline_s, self.stop, StopReason.DEADLINE)

    async def race(self, work: Awaitable[T]) -> T:
        """Wait for ``work``, or abandon it when the request is stopped.

        Raises:
            Stopped: with the reason; ``work`` was cancelled.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self._stop}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        assert self.stop_reason is not None
        raise Stopped(self.stop_reason)

    def _send(self, kind: Kind, body: Struct) -> None:
        self._last_sent_at = self._loop.time()
        is_heard = self.stop_reason not in _UNHEARD
        if is_heard or kind in (Kind.DONE, Kind.ERROR):
            self._emit(Header(kind=kind, id=self.id), body)

    def _close(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


def unasked(method: str) -> Request:
    """Return a request of the daemon's own: nobody hears of it."""
    return Request(client=b"", id=method, method=method, emit=lambda header, body: None)
