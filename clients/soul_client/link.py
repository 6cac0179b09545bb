"""The sync client's connection: sockets, and which frame is for whom."""

from __future__ import annotations

import math
import threading
import time
from typing import Any, TypeVar

import zmq

from soul_client import calls, codec, sockets
from soul_client.errors import ConnectionLost, KeyRefused, NotRunning, TimedOut
from soul_client.exchange import Exchange, Vigil
from soul_client.sockets import Keys
from soul_client.switchboard import Mailbox, Switchboard
from soul_client.wire import Connection, Header, Limits, Welcome

R = TypeVar("R")


class Link:
    """One connection to one daemon. Used by the thread that opened it, and no other."""

    def __init__(
        self,
        connection: Connection,
        keys: Keys | None,
        *,
        client: str,
        timeout_s: float,
        silence_s: float,
    ) -> None:
        self.connection = connection
        self.limits = Limits()
        self.is_lost = False
        self._thread_id = threading.get_ident()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._switchboard = Switchboard()
        self._vigil = Vigil(time.monotonic(), silence_s=silence_s)
        try:
            self._rpc = sockets.new_socket(self._context, zmq.DEALER, keys)
            self._ctl = sockets.new_socket(self._context, zmq.DEALER, keys)
            self._monitor = sockets.monitor(self._rpc)
            self._rpc.connect(connection.rpc)
            self._ctl.connect(connection.ctl)
            self._poller = zmq.Poller()
            for socket in (self._rpc, self._ctl, self._monitor):
                self._poller.register(socket, zmq.POLLIN)
            self._await_handshake(time.monotonic() + timeout_s)
            self.welcome = self._greet(client, time.monotonic() + timeout_s)
        except BaseException:
            self.close()
            raise
        self.limits = self.welcome.limits

    def send(self, exchange: Exchange[Any]) -> Mailbox:
        """Send a request; the mailbox returned collects its answers while it is referenced.

        Raises:
            ConnectionLost: the daemon is gone, or takes nothing.
        """
        self.require_thread()
        mailbox = Mailbox()
        self._switchboard.open(exchange.id, mailbox)
        self._vigil.hear(time.monotonic())
        self._post(exchange)
        return mailbox

    def receive(self, mailbox: Mailbox, until_s: float = math.inf) -> tuple[Header, Any]:
        """Wait for the next frame of a mailbox; ``until_s`` is on the monotonic clock.

        Raises:
            ConnectionLost: the daemon went away, or fell silent.
            TimedOut: it is ``until_s``.
        """
        self.await_mail(mailbox, until_s)
        return mailbox.frames.popleft()

    def await_mail(self, mailbox: Mailbox, until_s: float) -> None:
        """Wait until a mailbox holds a frame; raises as ``receive``."""
        self.require_thread()
        while not mailbox.frames:
            if self.is_lost:
                raise self._gone("went away")
            self._pump(until_s)

    def look(self) -> None:
        """Take what has arrived, without waiting; afterwards ``is_lost`` is up to date."""
        self.require_thread()
        self._take()
        self._watch_monitor()

    def close(self) -> None:
        """Close the sockets; frames under way get at most ``sockets.LINGER_MS``."""
        self._context.destroy(linger=0 if self.is_lost else sockets.LINGER_MS)
        self.is_lost = True

    def require_thread(self) -> None:
        """Refuse another thread: ZeroMQ sockets belong to one."""
        if threading.get_ident() != self._thread_id:
            raise RuntimeError("a Client belongs to the thread that made it; make one per thread")

    def _pump(self, until_s: float) -> None:
        now_s = time.monotonic()
        if now_s >= until_s:
            raise TimedOut(f"the daemon (process {self.connection.pid}) gave no answer in time")
        wait_s = min(self._vigil.wait_s(now_s), until_s - now_s)
        self._poller.poll(math.ceil(wait_s * 1000))
        if self._take():
            return
        self._watch_monitor()
        match self._vigil.verdict(time.monotonic()):
            case "ping":
                self._post(Exchange(calls.ping()))
            case "lost":
                raise self._gone("is alive but silent")

    def _post(self, exchange: Exchange[Any]) -> None:
        socket = self._rpc if exchange.call.socket == "rpc" else self._ctl
        try:
            socket.send_multipart(exchange.request_frames(self.limits), zmq.NOBLOCK)
        except zmq.Again as e:
            raise self._gone("takes no more requests") from e

    def _take(self) -> bool:
        """Sort everything that has arrived into mailboxes; tell whether there was anything."""
        has_any = False
        for socket in (self._rpc, self._ctl):
            while socket.poll(0):
                has_any = True
                frames = socket.recv_multipart()
                self._switchboard.sort(*codec.unpack(frames, sockets.INBOUND_LIMITS))
        if has_any:
            self._vigil.hear(time.monotonic())
        return has_any

    def _watch_monitor(self) -> None:
        while not self.is_lost and self._monitor.poll(0):
            if sockets.read_event(self._monitor.recv_multipart()) == "lost":
                self._take()  # what it said last counts
                self.is_lost = True

    def _await_handshake(self, until_s: float) -> None:
        endpoint = self.connection.rpc
        while True:
            wait_ms = math.ceil((until_s - time.monotonic()) * 1000)
            if wait_ms <= 0 or not self._monitor.poll(wait_ms):
                raise NotRunning(f"no daemon answers at {endpoint}")
            match sockets.read_event(self._monitor.recv_multipart()):
                case "up":
                    return
                case "denied":
                    raise KeyRefused(f"the daemon at {endpoint} does not accept this client's key")
                case "refused" | "lost":
                    raise NotRunning(f"no daemon listens at {endpoint}")

    def _greet(self, client: str, until_s: float) -> Welcome:
        exchange = Exchange(calls.hello(client))
        mailbox = self.send(exchange)
        exchange.feed(*self.receive(mailbox, until_s))
        assert exchange.result is not None
        return exchange.result

    def _gone(self, how: str) -> ConnectionLost:
        return ConnectionLost(f"the daemon (process {self.connection.pid}) {how}")
