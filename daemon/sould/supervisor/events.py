"""The event stream: numbered, without gaps, to everybody who subscribed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from soul_client import codec
from soul_client.wire import Event, Header, Kind
from sould.supervisor.sockets import Sent


def now_rfc3339() -> str:
    """Return the local time with its offset."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


class Events:
    """Publishes on an XPUB socket. A subscriber that lags loses events and sees a gap in
    ``seq``; the state it then asks for tells it everything. ``on_publish`` gets name, time and
    data too.
    """

    def __init__(
        self,
        send: Callable[[list[bytes]], Sent],
        on_publish: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._send = send
        self._on_publish = on_publish
        self.seq = 0

    def publish(self, name: str, data: dict[str, Any] | msgspec.Struct) -> None:
        """Send one event to all subscribers."""
        self.seq += 1
        self._emit(name, data)

    def welcome(self, data: dict[str, Any] | msgspec.Struct) -> None:
        """Tell a new subscriber the state and the number it counts from.

        XPUB sends to all: the others get it too, with a number they know already.
        """
        self._emit("welcome", data)

    def _emit(self, name: str, data: dict[str, Any] | msgspec.Struct) -> None:
        event = Event(name=name, ts=now_rfc3339(), data=msgspec.to_builtins(data))
        self._send(codec.pack(Header(kind=Kind.EVENT, seq=self.seq), event))
        self._on_publish(event.name, event.ts, event.data)


def is_subscription(frames: list[bytes]) -> bool:
    """Tell whether a message from the XPUB socket says that somebody subscribed."""
    return len(frames) == 1 and frames[0][:1] == b"\x01"
