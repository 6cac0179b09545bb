"""Where the daemon listens: the three public sockets and the engine's private ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import zmq

from sould.config import Config
from sould.errors import ConfigError
from sould.supervisor.engine_process import EngineProcess
from sould.supervisor.keys import Keyring, start_authenticator
from sould.supervisor.runtime import RuntimeDir

Socket = zmq.Socket[bytes]

SOCKETS = {"rpc": zmq.ROUTER, "ctl": zmq.ROUTER, "evt": zmq.XPUB}
SEND_FRAMES = 64
"""Frames that may wait for a reader inside ZeroMQ; more wait in its outbox, where they merge."""
HARD_FRAME_FACTOR = 16
"""A message so many times over the limit is cut off by ZeroMQ itself, with its connection;
below that it is read and answered with an error.
"""
TCP_HEARTBEAT_MS = 5000


class Binding:
    """The public sockets, bound. ``endpoints``: name to what clients connect to.

    Without ipc they are on 127.0.0.1 instead; tcp is always encrypted.

    Raises:
        ConfigError: the address cannot be listened at.
    """

    def __init__(
        self, config: Config, runtime: RuntimeDir, *, has_ipc: bool = zmq.has("ipc")
    ) -> None:
        self.context: zmq.Context[Socket] = zmq.Context()
        self.server_key = ""
        self.endpoints: dict[str, str] = {}
        self.sockets: dict[str, Socket] = {}
        self._authenticator: Any = None
        keyring = None
        listen = config.wire.listen
        if listen == "ipc" and not has_ipc:
            listen = "tcp://127.0.0.1:0"
        if listen != "ipc":
            keyring = Keyring(config.workspace)
            self._authenticator = start_authenticator(self.context, keyring)
            self.server_key = keyring.server.public.decode()
        for offset, (name, kind) in enumerate(SOCKETS.items()):
            socket = self._socket(kind, config.wire.max_frame_bytes, keyring)
            socket.setsockopt(zmq.IPV6, "[" in listen)
            self.sockets[name] = socket
            where = runtime.endpoint(name) if listen == "ipc" else _tcp(listen, offset)
            try:
                socket.bind(where)
            except zmq.ZMQError as e:
                self.close(0)
                raise ConfigError(f"wire.listen: cannot listen at {where}: {e.strerror}") from e
            self.endpoints[name] = _connectable(_endpoint(socket))

    def close(self, linger_s: float) -> None:
        """Close what is still open and wait ``linger_s`` for what is on its way out."""
        if self._authenticator is not None:
            self._authenticator.stop()
        for socket in self.sockets.values():
            socket.close(linger=int(linger_s * 1000))
        self.context.destroy(linger=int(linger_s * 1000))

    def _socket(self, kind: int, max_frame_bytes: int, keyring: Keyring | None) -> Socket:
        socket = self.context.socket(kind)
        socket.setsockopt(zmq.MAXMSGSIZE, max_frame_bytes * HARD_FRAME_FACTOR)
        if kind == zmq.ROUTER:
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
            socket.setsockopt(zmq.SNDHWM, SEND_FRAMES)
        else:
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        if keyring is not None:
            socket.setsockopt(zmq.HEARTBEAT_IVL, TCP_HEARTBEAT_MS)
            socket.curve_server = True
            socket.curve_publickey = keyring.server.public
            socket.curve_secretkey = keyring.server.secret
        return socket


class EngineSpawner:
    """Starts engines: ``command``, then the endpoint to connect to and the log level of the day.

    Where there is no ipc, the endpoint is on 127.0.0.1, and the first line of the engine's
    stdin holds three CURVE keys (Z85): ours, its public and its secret one. A context of
    its own keeps the clients' authenticator away from these sockets.
    """

    def __init__(
        self,
        command: Sequence[str],
        log_level: Callable[[], str],
        runtime: RuntimeDir,
        *,
        has_ipc: bool = zmq.has("ipc"),
    ) -> None:
        self._has_ipc = has_ipc
        self._command = command
        self._log_level = log_level
        self._runtime = runtime
        self._context: zmq.Context[Socket] = zmq.Context()
        self._number = 0

    def spawn(
        self, on_frames: Callable[[list[bytes]], None], on_exit: Callable[[int], None]
    ) -> EngineProcess:
        """Start one engine; see ``EngineProcess``."""
        self._number += 1
        name = f"engine-{self._number}"
        socket = self._context.socket(zmq.PAIR)
        socket.set_hwm(0)
        secret = ""
        if self._has_ipc:
            socket.bind(self._runtime.endpoint(name))
        else:
            secret = _encrypt(socket)
            socket.bind("tcp://127.0.0.1:*")

        def exited(returncode: int) -> None:
            self._runtime.remove_socket(name)
            on_exit(returncode)

        return EngineProcess(
            socket=socket,
            command=[*self._command, _endpoint(socket), self._log_level()],
            secret=secret,
            on_frames=on_frames,
            on_exit=exited,
        )

    def close(self) -> None:
        """Close all sockets."""
        self._context.destroy(linger=0)


DEFAULT_ENGINE = (sys.executable, "-m", "sould.engine")


def _endpoint(socket: Socket) -> str:
    endpoint = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(endpoint, bytes)
    return endpoint.rstrip(b"\0").decode()


def _encrypt(socket: Socket) -> str:
    """Make a socket a CURVE server; return the line of keys for its one client."""
    (server, server_secret), (client, client_secret) = zmq.curve_keypair(), zmq.curve_keypair()
    socket.curve_server = True
    socket.curve_publickey = server
    socket.curve_secretkey = server_secret
    return b" ".join((server, client, client_secret)).decode()


def _tcp(endpoint: str, offset: int) -> str:
    """Return the endpoint of the n-th socket: ports follow each other; 0 takes any."""
    address, _, port = endpoint.rpartition(":")
    return f"{address}:{int(port) + offset}" if int(port) else f"{address}:*"


def _connectable(endpoint: str) -> str:
    """Return what a client on this machine connects to for a bound endpoint."""
    return endpoint.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
