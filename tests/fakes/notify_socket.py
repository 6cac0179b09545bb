"""The end of ``NOTIFY_SOCKET`` that a service manager holds."""

from __future__ import annotations

import socket
import threading
import time


class NotifySocket:
    """Receives what a service says, as it comes: a full queue would lose some.

    ``address``: a path, or ``@name`` for an abstract socket.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def await_(self, message: str, count: int = 1, timeout_s: float = 20.0) -> None:
        """Wait until a message was said so many times, in all."""
        until_s = time.monotonic() + timeout_s
        while self.said.count(message) < count:
            assert time.monotonic() < until_s, f"{message!r} was not said, only {self.said}"
            time.sleep(0.01)

    def close(self) -> None:
        """Stop to listen; all that was sent before is in ``said``."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_us:
            to_us.sendto(b"", self._socket.getsockname())
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        while message := self._socket.recv(4096):
            self.said.append(message.decode())
