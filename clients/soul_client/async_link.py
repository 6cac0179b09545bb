"""The async client's connection: sockets, one reader task, and which frame is for whom."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import zmq
import zmq.asyncio

from soul_client import calls, codec, sockets
from soul_client.errors import ConnectionLost, KeyRefused, NotRunning, SoulError
from soul_client.exchange import Exchange, Vigil
from soul_client.sockets import Keys
from soul_client.switchboard import Mailbox, Switchboard
from soul_client.wire import Connection, Header, Limits


class AsyncMailbox(Mailbox):
    """A mailbox one task can wait at."""

    def __init__(self) -> None:
        self.has_changed = asyncio.Event()
        super().__init__(self.has_changed.set)


class AsyncLink:
    """One connection to one daemon, for the tasks of one event loop."""

    def __init__(self, connection: Connection, keys: Keys | None, *, silence_s: float) -> None:
        self.connection = connection
        self.limits = Limits()
        self._loss: SoulError | None = None
        self._switchboard = Switchboard()
        self._vigil = Vigil(time.monotonic(), silence_s=silence_s)
        self._context = zmq.asyncio.Context()
        self._rpc = sockets.new_socket(self._context, zmq.DEALER, keys)
        self._ctl = sockets.new_socket(self._context, zmq.DEALER, keys)
        self._monitor = sockets.monitor(self._rpc)
        # The same sockets, read without futures for each frame: a token costs half as much.
        self._inbound: list[zmq.Socket[bytes]] = [
            zmq.Socket.shadow(self._rpc),
            zmq.Socket.shadow(self._ctl),
        ]
        self._poller = zmq.asyncio.Poller()
        for socket in (self._rpc, self._ctl, self._monitor):
            self._poller.register(socket, zmq.POLLIN)
        self._reader: asyncio.Task[None] | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the daemon went away, or the link was closed."""
        return self._loss is not None

    async def connect(self, client: str, timeout_s: float) -> None:
        """Connect and introduce the client.

        Raises:
            NotRunning: nobody answers.
            KeyRefused: the daemon does not accept our key.
            TimeoutError: it is connected but does not answer.
        """
        try:
            async with asyncio.timeout(timeout_s):
                self._rpc.connect(self.connection.rpc)
                self._ctl.connect(self.connection.ctl)
                await self._await_handshake()
                self._reader = asyncio.create_task(self._read_all())
                exchange = Exchange(calls.hello(client))
                exchange.feed(*await self.receive(await self.send(exchange)))
        except TimeoutError as e:
            await self.close()
            raise NotRunning(f"no daemon answers at {self.connection.rpc}") from e
        except BaseException:
            await self.close()
            raise
        assert exchange.result is not None
        self.limits = exchange.result.limits

    async def send(self, exchange: Exchange[Any]) -> AsyncMailbox:
        """Send a request; the mailbox collects its answers while it is referenced.

        Raises:
            ConnectionLost: the daemon is gone, or takes nothing.
        """
        mailbox = AsyncMailbox()
        self._switchboard.open(exchange.id, mailbox)
        await self._post(exchange)
        return mailbox

    async def receive(self, mailbox: AsyncMailbox) -> tuple[Header, Any]:
        """Wait for the next frame of a mailbox.

        Raises:
            ConnectionLost: the daemon went away, or fell silent.
        """
        await self.await_mail(mailbox)
        return mailbox.frames.popleft()

    async def await_mail(self, mailbox: AsyncMailbox) -> None:
        """Wait until a mailbox holds a frame; raises as ``receive``."""
        while not mailbox.frames:
            if self._loss is not None:
                raise self._loss
            mailbox.has_changed.clear()
            await mailbox.has_changed.wait()

    async def close(self) -> None:
        """End the reader and close the sockets."""
        linger_ms = 0 if self.is_lost else sockets.LINGER_MS
        self._lose(ConnectionLost("the client was closed"))
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        self._context.destroy(linger=linger_ms)

    async def _read_all(self) -> None:
        try:
            while self._loss is None:
                await self._read_some()
        except SoulError as e:  # a frame that cannot be read: nothing after it can be trusted
            self._lose(e)

    async def _read_some(self) -> None:
        now_s = time.monotonic()
        if self._switchboard.is_idle:
            self._vigil.hear(now_s)
        await self._poller.poll(self._vigil.wait_s(now_s) * 1000 + 1)
        if self._take():
            return
        if await self._monitor.poll(0):
            if sockets.read_event(await self._monitor.recv_multipart()) == "lost":
                self._take()  # what it said last counts
                self._lose(self._gone("went away"))
        elif not self._switchboard.is_idle:
            match self._vigil.verdict(time.monotonic()):
                case "ping":
                    await self._post(Exchange(calls.ping()))
                case "lost":
                    self._lose(self._gone("is alive but silent"))

    def _take(self) -> bool:
        has_any = False
        for socket in self._inbound:
            while int(socket.get(zmq.EVENTS)) & zmq.POLLIN:
                has_any = True
                frames = socket.recv_multipart(zmq.NOBLOCK)
                self._switchboard.sort(*codec.unpack(frames, sockets.INBOUND_LIMITS))
        if has_any:
            self._vigil.hear(time.monotonic())
        return has_any

    async def _post(self, exchange: Exchange[Any]) -> None:
        if self._loss is not None:
            raise self._loss
        socket = self._rpc if exchange.call.socket == "rpc" else self._ctl
        try:
            await socket.send_multipart(exchange.request_frames(self.limits), zmq.NOBLOCK)
        except zmq.Again as e:
            raise self._gone("takes no more requests") from e

    async def _await_handshake(self) -> None:
        endpoint = self.connection.rpc
        while True:
            match sockets.read_event(await self._monitor.recv_multipart()):
                case "up":
                    return
                case "denied":
                    raise KeyRefused(f"the daemon at {endpoint} does not accept this client's key")
                case "refused" | "lost":
                    raise NotRunning(f"no daemon listens at {endpoint}")

    def _lose(self, reason: SoulError) -> None:
        if self._loss is None:
            self._loss = reason
        self._switchboard.wake_all()

    def _gone(self, how: str) -> ConnectionLost:
        return ConnectionLost(f"the daemon (process {self.connection.pid}) {how}")
