"""``sould plugin-host FD``: the process that plugins run in.

Its stdin is the socket to the supervisor, which frees that for a plugin's ``input()`` to find
nothing; what plugins print goes to stderr. FD is the file of :mod:`sould.pluginhost.mark`.
"""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from sould.pluginhost.calling import Plugins
from sould.pluginhost.mark import Mark
from sould.pluginhost.messages import EXIT_MEMORY, Buffer, Call, Drop, Load, pack

log = logging.getLogger(__name__)

_PIECE_BYTES = 1 << 16
_STATM = Path("/proc/self/statm")

_decoder = msgspec.msgpack.Decoder(Load | Call | Drop)


def main(argv: Sequence[str]) -> NoReturn:
    """Serve until the supervisor closes the socket."""
    link = socket.socket(fileno=os.dup(0))
    _close_standard_streams()
    # A service manager signals every process; the supervisor ends this one when it is time.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    Host(link, Mark(int(argv[0]))).run()


class Host:
    """Takes messages in turn; one thread, so that plugins need no locks."""

    def __init__(self, link: socket.socket, mark: Mark) -> None:
        self._link = link
        self._mark = mark
        self._buffer = Buffer()
        self._plugins: Plugins | None = None

    def run(self) -> NoReturn:
        """Serve; a plugin's threads do not keep the process alive."""
        while piece := self._link.recv(_PIECE_BYTES):
            for data in self._buffer.feed(piece):
                self._take(_decoder.decode(data))
        _end(0)

    def _take(self, message: Load | Call | Drop) -> None:
        match message:
            case Load():
                _limit_memory(message.memory_bytes)
                self._plugins = Plugins(message, self._mark)
                self._send(self._plugins.load())
            case Call():
                assert self._plugins is not None
                answered = self._plugins.call(message)
                if message.id or answered.failures:
                    self._send(answered)
            case Drop():
                assert self._plugins is not None
                self._plugins.drop(message.plugin)
        if self._plugins is not None and self._plugins.is_out_of_memory:
            _end(EXIT_MEMORY)

    def _send(self, message: msgspec.Struct) -> None:
        self._link.sendall(pack(message))


def _close_standard_streams() -> None:
    """Let stdin be empty, and stdout be stderr."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115


def _limit_memory(extra_bytes: int) -> None:
    """Allow so much address space beyond what is mapped now; where the system can tell that."""
    if not _STATM.exists():
        log.info("the memory of plugins is not limited: this system has no %s", _STATM)
        return
    mapped_bytes = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    limit_bytes = mapped_bytes + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, limit_bytes))


def _end(code: int) -> NoReturn:
    logging.shutdown()
    os._exit(code)
