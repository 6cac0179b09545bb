"""Frames to clients: at once where possible, else kept, merged and timed.

The frames of a client whose pipe is full wait in an outbox. A client that takes nothing for
``slow_client_s``, or lets the outbox overflow, is cut off: what waits is dropped and its
requests are stopped; their final frames then wait in the same way, and no longer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from msgspec import Struct

from soul_client import codec
from soul_client.wire import Header
from sould.supervisor.outbox import Outbox
from sould.supervisor.sockets import Sent

log = logging.getLogger(__name__)


class Delivery:
    """Outboxes of all clients. ``send``, ``clock`` and the two reports are given, so that
    everything here can be tested without a socket or waiting.
    """

    def __init__(
        self,
        send: Callable[[Sequence[bytes]], Sent],
        *,
        clock: Callable[[], float],
        slow_client_s: float,
        max_frame_bytes: int,
        on_gone: Callable[[bytes], None],
        on_slow: Callable[[bytes], None],
    ) -> None:
        self._send = send
        self._clock = clock
        self._slow_client_s = slow_client_s
        self._max_chunk_chars = max_frame_bytes // 8  # UTF-8 takes 4 bytes at most
        self._on_gone = on_gone
        self._on_slow = on_slow
        self._outboxes: dict[bytes, Outbox] = {}

    @property
    def is_backlogged(self) -> bool:
        """Whether ``flush`` should be called soon."""
        return bool(self._outboxes)

    def put(self, client: bytes, header: Header, body: Struct | None = None) -> None:
        """Send a frame, or keep it until the client takes it."""
        outbox = self._outboxes.get(client)
        if outbox is None:
            sent = self._send([client, *codec.pack(header, body)])
            if sent is Sent.OK:
                return
            if sent is Sent.GONE:
                self._on_gone(client)
                return
            outbox = Outbox(now=self._clock(), max_chunk_chars=self._max_chunk_chars)
            self._outboxes[client] = outbox
        if not outbox.put(header, body):
            self._cut(client, "its outbox is full")

    def flush(self) -> None:
        """Try all backlogs again; cut off who has been too slow."""
        for client, outbox in list(self._outboxes.items()):
            self._flush_one(client, outbox)

    def _flush_one(self, client: bytes, outbox: Outbox) -> None:
        while outbox:
            pending = outbox.first()
            sent = self._send([client, *codec.pack(pending.header, pending.content())])
            if sent is Sent.GONE:
                del self._outboxes[client]
                self._on_gone(client)
                return
            if sent is Sent.FULL:
                break
            outbox.took_first(self._clock())
        if not outbox:
            del self._outboxes[client]
        elif self._clock() - outbox.stalled_since > self._slow_client_s:
            self._cut(client, f"it took nothing for {self._slow_client_s:g} s")

    def _cut(self, client: bytes, why: str) -> None:
        log.warning("client %s cut off: %s", client.hex()[-8:], why)
        del self._outboxes[client]
        self._on_slow(client)
