"""A ZeroMQ socket on the asyncio loop that never blocks and never waits.

Plain sockets and their file descriptor instead of ``zmq.asyncio``: a send answers at once
whether the peer's pipe was full or gone, which back-pressure is built on, and a round trip
costs no future (ping p50: a third).
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Sequence
from enum import Enum

import zmq

log = logging.getLogger(__name__)

_FRAMES_AT_ONCE = 64
"""Frames read before the other sockets get their turn."""

Receive = Callable[[list[bytes]], None]


class Sent(Enum):
    """What became of a frame."""

    OK = "ok"
    FULL = "full"
    GONE = "gone"


class Channel:
    """Owns one bound socket; hands each message it receives to ``receive``."""

    def __init__(self, socket: zmq.Socket[bytes], receive: Receive) -> None:
        self._socket = socket
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._drain_due = False
        self._fd = socket.fileno()
        self._loop.add_reader(self._fd, self._drain)
        self._drain_soon()

    def send(self, frames: Sequence[bytes]) -> Sent:
        """Send one message if that is possible now. A peer that is GONE stays gone."""
        if self._socket.closed:
            return Sent.GONE
        self._drain_soon()  # sending may eat the edge that announces a message received
        try:
            self._socket.send_multipart(frames, zmq.NOBLOCK)
        except zmq.Again:
            return Sent.FULL
        except zmq.ZMQError as e:
            if e.errno != errno.EHOSTUNREACH:
                raise
            return Sent.GONE
        return Sent.OK

    def close(self, linger_s: float = 0) -> None:
        """Stop reading; what was sent may still leave for ``linger_s``."""
        if not self._socket.closed:
            self._loop.remove_reader(self._fd)
            self._socket.close(linger=int(linger_s * 1000))

    def _drain_soon(self) -> None:
        if not self._drain_due:
            self._drain_due = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        """Read until empty: ZeroMQ's descriptor is edge-triggered."""
        self._drain_due = False
        for _ in range(_FRAMES_AT_ONCE):
            if self._socket.closed:
                return
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                self._receive(frames)
            except Exception:
                log.exception("a frame could not be handled; it is dropped")
        self._drain_soon()
