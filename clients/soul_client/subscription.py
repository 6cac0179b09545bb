"""The daemon's events, read as they come (sync)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

import zmq

from soul_client import codec, sockets
from soul_client.errors import ConnectionLost, NotRunning
from soul_client.exchange import EventCursor, SeenEvent, state_event
from soul_client.sockets import Keys
from soul_client.wire import Connection, Status


class Subscription:
    """Events from now on. After a gap comes a ``state`` event that says how things stand."""

    def __init__(
        self,
        connection: Connection,
        keys: Keys | None,
        *,
        ask_status: Callable[[], Status],
        timeout_s: float,
    ) -> None:
        self._connection = connection
        self._ask_status = ask_status
        self._cursor = EventCursor()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = sockets.new_socket(self._context, zmq.SUB, keys)
        self._monitor = sockets.monitor(self._socket)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._socket.connect(connection.evt)
        if not self._monitor.poll(math.ceil(timeout_s * 1000)) or self._look() != "up":
            self.close()
            raise NotRunning(f"no daemon answers at {connection.evt}")

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[SeenEvent]:
        while (seen := self.read()) is not None:
            yield seen
            if seen.missed:
                yield state_event(seen.seq, self._ask_status())

    def read(self, timeout_s: float | None = None) -> SeenEvent | None:
        """Wait for the next event; None when ``timeout_s`` is over.

        Raises:
            ConnectionLost: the daemon went away.
        """
        until_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while (seen := self._next()) is None:
            wait_s = until_s - time.monotonic()
            if wait_s <= 0:
                return None
            self._poller.poll(None if wait_s == math.inf else math.ceil(wait_s * 1000))
            if not self._socket.poll(0) and self._monitor.poll(0) and self._look() == "lost":
                raise ConnectionLost(f"the daemon (process {self._connection.pid}) went away")
        return seen

    def _next(self) -> SeenEvent | None:
        """Return what has arrived already, if anything has."""
        while self._socket.poll(0):
            frames = self._socket.recv_multipart()
            seen = self._cursor.feed(*codec.unpack(frames, sockets.INBOUND_LIMITS))
            if seen is not None:
                return seen
        return None

    def close(self) -> None:
        """End the subscription."""
        self._context.destroy(linger=0)

    def _look(self) -> sockets.LinkEvent:
        return sockets.read_event(self._monitor.recv_multipart())
