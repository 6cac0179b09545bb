"""One page: its requests go to the daemon, and what comes back goes to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from msgspec import to_builtins
from starlette.websockets import WebSocket, WebSocketDisconnect

from soul_client import SoulError, WireError
from soul_client.async_stream import AsyncStream
from soul_client.wire import Ack, Chunk, ErrorCode, Progress
from soul_lab import local, messages, methods
from soul_lab.hub import Hub
from soul_lab.messages import Asked
from soul_lab.outbox import Outbox

MOST_REQUESTS = 32
"""Of one page, at a time."""
SEND_WITHIN_S = 20.0
TRY_AGAIN_LATER = 1013
_KINDS: dict[type[Any], str] = {Ack: "ack", Progress: "progress", Chunk: "chunk"}


class Running:
    """A request under way."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.stream: AsyncStream[Any] | None = None
        self.is_cancelled = False

    async def cancel(self) -> None:
        """Have the daemon end it, now or as soon as it knows of it."""
        self.is_cancelled = True
        if self.stream is not None:
            await self.stream.cancel()


class Bridge:
    """A page's connection. ``serve`` lasts as long as it does."""

    def __init__(self, socket: WebSocket, hub: Hub) -> None:
        self._socket = socket
        self._hub = hub
        self._client = hub.new_client()
        self._outbox = Outbox()
        self._running: dict[str, Running] = {}
        self._local = local.Local(hub)

    def tell(self, message: str) -> None:
        """Send an event, if the page is not too far behind."""
        self._outbox.tell(message)

    async def serve(self) -> None:
        """Answer the page until it is closed."""
        await self._socket.accept()
        parts = [self._read_all(), self._write_all(), self._outbox.is_over.wait()]
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            with self._hub.joined(self):
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._outbox.close()
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                _raise_faults(ended)
            await self._leave()

    async def _leave(self) -> None:
        """End what only this page waits for."""
        await self._client.close()
        for running in self._running.values():
            if running.task is not None:
                self._hub.keep(running.task)
        with contextlib.suppress(RuntimeError):  # it is closed already
            await self._socket.close(TRY_AGAIN_LATER)

    async def _read_all(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                asked = messages.read(message.get("text") or message.get("bytes") or b"")
                await self._take(asked)
            except WireError as e:
                await self._outbox.answer(messages.error(e.request_id, e))

    async def _write_all(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
            while True:
                message = await self._outbox.next()
                async with asyncio.timeout(SEND_WITHIN_S):
                    await self._socket.send_text(message)

    async def _take(self, asked: Asked) -> None:
        running = self._running.get(asked.id)
        if asked.cancel:
            if running is not None:
                await running.cancel()
            return
        if running is not None:
            raise WireError(ErrorCode.BAD_REQUEST, f"request {asked.id} is under way already")
        if len(self._running) >= MOST_REQUESTS:
            raise WireError(
                ErrorCode.BUSY,
                f"this page has {MOST_REQUESTS} requests under way",
                request_id=asked.id,
            )
        running = self._running[asked.id] = Running()
        running.task = asyncio.create_task(self._answer(asked, running))

    async def _answer(self, asked: Asked, running: Running) -> None:
        try:
            if asked.method in local.METHODS:
                body = await self._local.answer(asked)
                await self._outbox.answer(messages.answer(asked.id, "done", body))
            else:
                await self._relay(asked, running)
        except SoulError as e:
            await self._outbox.answer(messages.error(asked.id, e))
        finally:
            del self._running[asked.id]

    async def _relay(self, asked: Asked, running: Running) -> None:
        call = methods.call_of(asked.method, asked.params)
        client = self._hub.client if asked.method in methods.LASTING else self._client
        if methods.needs_catalog(call):
            methods.require_listed(call, await client.body_catalog())
        running.stream = stream = await client.start(call)
        if running.is_cancelled:
            await stream.cancel()
        while not stream.is_finished:
            update = await stream.read()
            kind = _KINDS.get(type(update), "done")
            await self._outbox.answer(messages.answer(asked.id, kind, to_builtins(update)))


def _raise_faults(ended: object) -> None:
    if isinstance(ended, Exception):
        raise ended
