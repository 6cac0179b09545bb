"""Client library of the Bit-TTT daemon.

Names are imported when they are first used: asking for the version costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soul_client.async_client import AsyncClient
    from soul_client.async_stream import AsyncReply, AsyncStream
    from soul_client.client import Client
    from soul_client.errors import (
        ConfigInvalid,
        ConfigNotFound,
        ConnectionLost,
        DaemonError,
        KeyRefused,
        LaunchFailed,
        NotRunning,
        SoulError,
        TimedOut,
        UnsafeFile,
        WireError,
    )
    from soul_client.launch import ensure_running
    from soul_client.stream import Reply, Stream

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncReply",
    "AsyncStream",
    "Client",
    "ConfigInvalid",
    "ConfigNotFound",
    "ConnectionLost",
    "DaemonError",
    "KeyRefused",
    "LaunchFailed",
    "NotRunning",
    "Reply",
    "SoulError",
    "Stream",
    "TimedOut",
    "UnsafeFile",
    "WireError",
    "ensure_running",
]

_HOMES = {
    "AsyncClient": "async_client",
    "AsyncReply": "async_stream",
    "AsyncStream": "async_stream",
    "Client": "client",
    "Reply": "stream",
    "Stream": "stream",
    "ensure_running": "launch",
}
"""Where the names live that are not in ``errors``."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
