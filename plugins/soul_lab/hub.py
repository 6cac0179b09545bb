"""The server's own connection to the daemon: its events go to every page, its log is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from soul_client import AsyncClient, SoulError
from soul_client.exchange import SeenEvent
from soul_lab import messages

KEPT_LINES = 2000
"""Of the log, for pages that are opened later."""
FIRST_RETRY_S, LONGEST_RETRY_S = 0.1, 2.0


class Listener(Protocol):
    """A page, as far as the hub knows it."""

    def tell(self, message: str) -> None:
        """Take a message that nobody asked for. Must not block."""


class Hub:
    """What all pages share. ``client`` makes the requests that outlast a page."""

    def __init__(self, config: str | None = None) -> None:
        self._config = config
        self.client = AsyncClient(config, name="soul_lab")
        self._pages: set[Listener] = set()
        self._lines: deque[dict[str, Any]] = deque(maxlen=KEPT_LINES)
        self._daemon_id = ""
        self._standing: dict[str, str] = {}  # how the daemon said it was, and what changed since
        self._lasting: set[asyncio.Task[None]] = set()

    def new_client(self) -> AsyncClient:
        """Return a client for one page: the daemon stops what it asked for when it is closed."""
        return AsyncClient(self._config, name="soul_lab page")

    @contextlib.contextmanager
    def joined(self, page: Listener) -> Iterator[None]:
        """Tell a page whether there is a daemon and how it last said it was, and from then on what
        happens.
        """
        for message in (messages.link(self._daemon_id), *self._standing.values()):
            page.tell(message)
        self._pages.add(page)
        try:
            yield
        finally:
            self._pages.discard(page)

    @property
    def page_count(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    def lines(self, limit: int) -> list[dict[str, Any]]:
        """Return the newest lines of the daemon's log, oldest first."""
        return list(self._lines)[-limit:] if limit > 0 else []

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a request that outlasts its page."""
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)

    async def run(self) -> None:
        """Follow the daemon, and look for it again whenever it is gone."""
        delay_s = FIRST_RETRY_S
        while True:
            with contextlib.suppress(SoulError):
                async with self.client.events() as events:
                    async for seen in events:
                        self._take(seen)
                        delay_s = FIRST_RETRY_S
            self._set_daemon("")
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, LONGEST_RETRY_S)

    async def close(self) -> None:
        """Leave the daemon."""
        for task in self._lasting:
            task.cancel()
        await self.client.close()

    def _take(self, seen: SeenEvent) -> None:
        event = seen.event
        if event.name in ("welcome", "state"):
            self._set_daemon(str(event.data.get("daemon_id", "")))
        elif event.name == "log":
            self._lines.append({"ts": event.ts, **event.data})
        message = messages.event(seen)
        self._note_standing(event.name, message)
        self._tell_all(message)

    def _note_standing(self, name: str, message: str) -> None:
        if name in ("welcome", "state"):
            self._standing = {"state": message}
        elif name in ("soul", "body"):
            self._standing[name] = message

    def _set_daemon(self, daemon_id: str) -> None:
        if daemon_id != self._daemon_id:
            self._daemon_id = daemon_id
            self._standing = {}
            self._tell_all(messages.link(daemon_id))

    def _tell_all(self, message: str) -> None:
        for page in list(self._pages):
            page.tell(message)
