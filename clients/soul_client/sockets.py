"""ZeroMQ sockets of a client, dressed alike for the sync and the async client.

A socket does not reconnect by itself: the next daemon at the same place knows nothing of
this one's requests. A lost connection shows at once, on the socket's monitor.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import zmq
from zmq.utils.monitor import parse_monitor_message

from soul_client import locate
from soul_client.errors import KeyRefused
from soul_client.wire import MAGIC, Connection, Limits

S = TypeVar("S", bound="zmq.Socket[Any]")

LINGER_MS = 500
NEVER_MS = 24 * 3600 * 1000  # -1 would also throw away what arrived and was not read yet
INBOUND_LIMITS = Limits(max_frame_bytes=64 << 20, max_items=1_000_000)
"""What a client takes from its daemon: a long history is larger than any request."""

LinkEvent = Literal["up", "refused", "denied", "lost", "other"]

_EVENTS: dict[int, LinkEvent] = {
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "up",
    zmq.EVENT_CLOSED: "refused",
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: "denied",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "denied",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "denied",
    zmq.EVENT_DISCONNECTED: "lost",
}
MONITORED = zmq.Event(sum(_EVENTS))


@dataclass(frozen=True, kw_only=True)
class Keys:
    """CURVE keys (Z85) for one connection."""

    server: bytes
    public: bytes
    secret: bytes


def keys_for(connection: Connection, key_file: str | os.PathLike[str] | None = None) -> Keys | None:
    """Return the keys a connection needs; None for ipc.

    ``key_file`` defaults to the workspace owner's.

    Raises:
        KeyRefused: the endpoint needs keys and there are none, or they cannot be read.
        UnsafeFile: others can reach the key file.
    """
    if connection.rpc.startswith("ipc://"):
        return None
    if not connection.server_key:
        raise KeyRefused(f"{connection.rpc} offers no CURVE key; plain tcp is never used")
    path = Path(key_file) if key_file else locate.owner_key_file(Path(connection.workspace))
    from zmq.auth import load_certificate  # only tcp pays for this import

    try:
        locate.require_private(path)
        public, secret = load_certificate(path)
    except OSError as e:
        raise KeyRefused(f"no key for {connection.rpc}: {path}: {e.strerror or e}") from e
    except ValueError as e:
        raise KeyRefused(f"{path} is not a key file: {e}") from e
    if secret is None:
        raise KeyRefused(f"{path} holds no secret key")
    return Keys(server=connection.server_key.encode(), public=public, secret=secret)


def new_socket(context: zmq.Context[S], kind: int, keys: Keys | None) -> S:
    """Make a DEALER or SUB that is ready to connect."""
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, LINGER_MS)
    socket.setsockopt(zmq.RECONNECT_IVL, NEVER_MS)
    socket.setsockopt(zmq.MAXMSGSIZE, INBOUND_LIMITS.max_frame_bytes)
    if keys is not None:
        socket.setsockopt(zmq.IPV6, 1)
        socket.curve_serverkey = keys.server
        socket.curve_publickey = keys.public
        socket.curve_secretkey = keys.secret
    if kind == zmq.SUB:
        socket.setsockopt(zmq.SUBSCRIBE, MAGIC)
    return socket


def monitor(socket: S) -> S:
    """Return the monitor of a socket; to be called before it connects."""
    return socket.get_monitor_socket(MONITORED)


def read_event(parts: list[bytes]) -> LinkEvent:
    """Say what a message of a monitor means for the connection."""
    return _EVENTS.get(int(parse_monitor_message(parts)["event"]), "other")
