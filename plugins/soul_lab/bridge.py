"""One page: its requests go to the daemon, and what comes back goes to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from msgspec import to_builtins
from starlette.websockets import WebSocket, WebSocketDisconnect

from soul_client import SoulError, WireError
from soul_client.async_stream import AsyncStream
from soul_client.exchange import state_event
from soul_client.wire import Ack, Chunk, ErrorCode, Progress
from soul_lab import messages, methods
from soul_lab.hub import Hub
from soul_lab.local import METHODS, Local
from soul_lab.messages import Asked
from soul_lab.outbox import Outbox

MOST_REQUESTS = 32
"""Of one page, at a time."""
SEND_WITHIN_S = 20.0
TRY_AGAIN_LATER = 1013
_KINDS: dict[type[Any], str] = {Ack: "ack", Progress: "progress", Chunk: "chunk"}


class Running:
    """A request under way. It is known to the daemon once the daemon has answered anything."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.task: asyncio.Task[None] | None = None
        self._stream: AsyncStream[Any] | None = None
        self._is_known = self._is_unwanted = False

    @property
    def outlasts(self) -> bool:
        """Whether it goes on when its page is closed."""
        return self.asked.method in methods.LASTING

    async def cancel(self) -> None:
        """Have the daemon end it, now or as soon as it knows of it."""
        self._is_unwanted = True
        if self._stream is not None and self._is_known:
            await self._stream.cancel()

    async def follow(self, stream: AsyncStream[Any], outbox: Outbox) -> None:
        """Send all answers to the page; raises as ``AsyncStream.read``."""
        self._stream = stream
        while not stream.is_finished:
            update = await stream.read()
            kind = _KINDS.get(type(update), "done")
            body = to_builtins(update)
            named = stream.id if kind == "ack" else ""
            await outbox.answer(messages.answer(self.asked.id, kind, body, request=named))
            if not self._is_known:
                self._is_known = True
                if self._is_unwanted:
                    await stream.cancel()


class Bridge:
    """A page's connection. ``serve`` lasts as long as it does."""

    def __init__(self, socket: WebSocket, hub: Hub, local: Local) -> None:
        self._socket = socket
        self._hub = hub
        self._local = local
        self._client = hub.new_client()
        self._outbox = Outbox()
        self._running: dict[str, Running] = {}

    def tell(self, message: str) -> None:
        """Send what nobody asked for, unless the page is too far behind."""
        self._outbox.tell(message)

    async def serve(self) -> None:
        """Answer the page until it is closed."""
        await self._socket.accept()
        with self._hub.joined(self):
            parts = (self._read_all(), self._write_all(), self._outbox.is_over.wait())
            lasting = [asyncio.create_task(part) for part in parts]
            greeting = asyncio.create_task(self._greet())
            try:
                await asyncio.wait(lasting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._outbox.close()
                await _end([*lasting, greeting])
                await self._leave()

    async def _greet(self) -> None:
        """Say how the daemon is now, which is more than its events tell."""
        with contextlib.suppress(SoulError):
            status = await self._hub.client.status()
            self.tell(messages.event(state_event(status.event_seq, status)))

    async def _leave(self) -> None:
        """End what only this page waits for; the rest is the hub's."""
        own = []
        for running in list(self._running.values()):
            assert running.task is not None
            if running.outlasts:
                self._hub.keep(running.task)
            else:
                own.append(running.task)
        await _end(own)
        await self._client.close()
        with contextlib.suppress(RuntimeError):  # it is closed already
            await self._socket.close(TRY_AGAIN_LATER)

    async def _read_all(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                await self._take(messages.read(message.get("text") or message.get("bytes") or b""))
            except WireError as e:
                await self._outbox.answer(messages.error(e.request_id, e))

    async def _write_all(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            while True:
                message = await self._outbox.next()
                async with asyncio.timeout(SEND_WITHIN_S):
                    await self._socket.send_text(message)

    async def _take(self, asked: Asked) -> None:
        running = self._running.get(asked.id)
        if asked.cancel:
            if running is not None:
                await running.cancel()
        elif running is not None:
            raise WireError(ErrorCode.BAD_REQUEST, f"request {asked.id} is under way already")
        elif len(self._running) >= MOST_REQUESTS:
            message = f"this page has {MOST_REQUESTS} requests under way"
            raise WireError(ErrorCode.BUSY, message, request_id=asked.id)
        else:
            running = self._running[asked.id] = Running(asked)
            running.task = asyncio.create_task(self._answer(running))

    async def _answer(self, running: Running) -> None:
        asked = running.asked
        try:
            if asked.method in METHODS:
                body = await self._local.answer(asked)
                await self._outbox.answer(messages.answer(asked.id, "done", body))
            else:
                await self._relay(running)
        except SoulError as e:
            await self._outbox.answer(messages.error(asked.id, e))
        finally:
            del self._running[asked.id]

    async def _relay(self, running: Running) -> None:
        call = methods.call_of(running.asked.method, running.asked.params)
        client = self._hub.client if running.outlasts else self._client
        if methods.needs_catalog(call):
            methods.require_listed(call, await client.body_catalog())
        await running.follow(await client.start(call), self._outbox)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for them; raises what one of them failed with before."""
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
