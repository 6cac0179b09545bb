"""What waits to be sent to one page."""

from __future__ import annotations

import asyncio

MOST_ANSWERS = 64
"""That wait for a page; whoever has another one waits too."""
MOST_MESSAGES = 4096
"""Of all kinds. A page that lags further is cut off: it asks for everything when it is back."""


class Outbox:
    """Messages in their order. Answers are held back while a page is slow; events cannot be."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self._room = asyncio.Semaphore(MOST_ANSWERS)
        self.is_over = asyncio.Event()

    async def answer(self, message: str) -> None:
        """Add an answer, once there is room."""
        if self.is_over.is_set():
            return
        await self._room.acquire()
        self._queue.put_nowait((message, True))

    def tell(self, message: str) -> None:
        """Add what nobody asked for."""
        if self._queue.qsize() >= MOST_MESSAGES:
            self.close()
        if not self.is_over.is_set():
            self._queue.put_nowait((message, False))

    async def next(self) -> str:
        """Wait for the next message."""
        message, is_answer = await self._queue.get()
        if is_answer:
            self._room.release()
        return message

    def close(self) -> None:
        """Take nothing more: what was to be sent is dropped, and nobody waits."""
        self.is_over.set()
        for _ in range(MOST_ANSWERS):
            self._room.release()
