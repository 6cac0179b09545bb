"""One engine process: spawn it, speak to it, read its stderr, notice its end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import zmq
from msgspec import Struct

from soul_client import codec
from soul_client.wire import Header
from sould.supervisor.sockets import Channel

log = logging.getLogger(__name__)
engine_log = logging.getLogger("sould.engine")

_LAST_WORDS_S = 0.5


class EngineProcess:
    """A running engine and its PAIR socket.

    Closing its stdin (or our death) ends it. ``on_exit`` gets the return code as
    ``subprocess`` tells it (negative: signal) after the last line of stderr was read.
    """

    def __init__(
        self,
        *,
        socket: zmq.Socket[bytes],
        command: Sequence[str],
        secret: str,
        on_frames: Callable[[list[bytes]], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self.last_line = ""
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in our terminal is ours to handle
        )
        if secret:
            self._tell(secret)
        self._channel = Channel(socket, on_frames)
        reader = threading.Thread(target=self._read_lines, name="engine-stderr", daemon=True)
        reader.start()
        threading.Thread(target=self._wait, args=(reader,), name="engine-exit", daemon=True).start()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def send(self, header: Header, body: Struct | None = None) -> None:
        """Send one frame."""
        self._channel.send(codec.pack(header, body))

    def end(self) -> None:
        """Ask the process to end, by closing its stdin."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def kill(self) -> None:
        """End the process, and any compiler it started, at once."""
        if sys.platform == "win32":
            self._process.kill()
        elif self._process.returncode is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                log.debug("engine %d is gone already", self._process.pid)

    def _tell(self, secret: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(secret.encode("ascii") + b"\n")
        self._process.stdin.flush()

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for raw in lines:
                line = raw.decode("utf-8", "replace").rstrip()
                if line:
                    level, words = split_level(line)
                    # What went well explains no end, and a warning before it does neither.
                    self.last_line = "" if level == logging.INFO else line
                    engine_log.log(level, "%s", words)

    def _wait(self, reader: threading.Thread) -> None:
        returncode = self._process.wait()
        reader.join(_LAST_WORDS_S)  # a grandchild may hold the pipe open: don't wait for ever
        try:
            self._loop.call_soon_threadsafe(self._ended, returncode)
        except RuntimeError:  # the loop closed before the process ended
            log.debug("engine ended after the supervisor's loop")

    def _ended(self, returncode: int) -> None:
        self._channel.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._on_exit(returncode)


def split_level(line: str) -> tuple[int, str]:
    """Return the level a line of the engine's stderr begins with, and the rest of it.

    A line without one (a library's own words, a traceback) is DEBUG.
    """
    first, _, rest = line.partition(" ")
    level: Any = logging.getLevelName(first)
    return (level, rest) if isinstance(level, int) else (logging.DEBUG, line)


def describe_exit(returncode: int, last_line: str) -> str:
    """Say how a process ended, for people."""
    if returncode < 0:
        how = f"killed by signal {-returncode}"
        if -returncode in {int(s) for s in signal.Signals}:
            how += f" ({signal.Signals(-returncode).name})"
    else:
        how = f"exit code {returncode}"
    return f"{how}; its last words: {last_line[-300:]}" if last_line else how
