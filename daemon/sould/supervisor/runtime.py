"""The runtime dir: sockets while a daemon lives, ``connection.json`` while it can be reached."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from soul_client import locate
from soul_client.wire import Connection
from sould.config import Config
from sould.errors import ConfigError
from sould.supervisor.files import make_private_dir, require_safe_parent, write_private

MAX_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103


class RuntimeDir:
    """The folder of one daemon. Made private, or refused; clean it only under the lock.

    Raises:
        ConfigError: its path is too long for a socket.
        StorageError: it cannot be made, or is not ours alone.
    """

    def __init__(self, config: Config) -> None:
        self.path = config.runtime_dir
        self._config_path = config.path
        self.endpoint("engine-99999")
        make_private_dir(self.path)
        if not self.path.is_relative_to(config.workspace):  # which is the user's own
            require_safe_parent(self.path)

    def clean(self) -> list[Path]:
        """Remove sockets and ``connection.json``; return what there was."""
        connections = locate.connection_files(self._config_path)
        found = [p for p in (*self.path.glob("*.sock"), *connections) if p.exists()]
        for path in found:
            path.unlink()
        return found

    def remove_socket(self, name: str) -> None:
        """Remove the file of a closed socket (ZeroMQ leaves it)."""
        (self.path / f"{name}.sock").unlink(missing_ok=True)

    def endpoint(self, name: str) -> str:
        """Return the ipc endpoint of a socket."""
        path = self.path / f"{name}.sock"
        length = len(os.fsencode(path))
        if length > MAX_SOCKET_PATH_BYTES:
            raise ConfigError(
                f"socket path {path} has {length} bytes, the system allows {MAX_SOCKET_PATH_BYTES}",
                "set runtime_dir in config.yaml to a shorter path",
            )
        return f"ipc://{path}"

    def announce(self, connection: Connection) -> None:
        """Write ``connection.json`` wherever clients look for it: the daemon can be reached."""
        data = msgspec.json.format(msgspec.json.encode(connection))
        for path in locate.connection_files(self._config_path):
            make_private_dir(path.parent)
            write_private(path, data + b"\n")

    def withdraw(self) -> None:
        """Remove ``connection.json``."""
        for path in locate.connection_files(self._config_path):
            path.unlink(missing_ok=True)
