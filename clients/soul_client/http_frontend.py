"""A frontend that speaks HTTP: the socket it listens on, and the private file of the workspace in
which it is found while it serves.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from soul_client.errors import NotRunning
from soul_client.locate import LOCAL_RUN_DIR, is_alive, require_private
from soul_client.private_file import write_private
from soul_client.wire import WireStruct


class HttpFrontend(WireStruct, frozen=True, kw_only=True):
    """``url``: scheme, host and port. ``token``: the key it asks for, "" if it asks for none."""

    url: str
    token: str
    pid: int


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 is any. What is sent does not wait for what was
    sent before to be acknowledged, which takes a browser 40 ms; asyncio sees to that for its own
    sockets only.

    Raises:
        OSError: somebody else does, or it is no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform != "win32":  # there it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening


@contextlib.contextmanager
def announced(workspace: Path, name: str, told: HttpFrontend) -> Iterator[None]:
    """Have a frontend found by its name in here."""
    path = _file(workspace, name)
    write_private(path, msgspec.json.encode(told))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(workspace: Path, name: str) -> HttpFrontend:
    """Return where a frontend serves.

    Raises:
        NotRunning: it does not, or not yet.
        UnsafeFile: the file belongs to, or is open to, somebody else.
    """
    path = _file(workspace, name)
    try:
        data = path.read_bytes()
        require_private(path)
        told = msgspec.json.decode(data, type=HttpFrontend)
    except FileNotFoundError as e:
        raise NotRunning(f"{name} does not serve ({path} does not exist)") from e
    except msgspec.MsgspecError as e:
        raise NotRunning(f"{path} does not say where {name} serves: {e}") from e
    if not is_alive(told.pid):
        raise NotRunning(f"{name} does not serve (process {told.pid} of {path} is gone)")
    return told


def _file(workspace: Path, name: str) -> Path:
    return workspace / LOCAL_RUN_DIR / f"{name}.json"
