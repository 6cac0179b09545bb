"""A program in a terminal: what it draws can be waited for, keys can be typed."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import time
from collections.abc import Iterator, Sequence

CURSOR_QUERY = b"\x1b[6n"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")


class Terminal:
    """The master side of a pseudo-terminal, 80 × 24."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self._fd = fd
        self._raw = b""
        self._seen = 0

    @property
    def screen(self) -> str:
        """All that was drawn so far, as plain text."""
        return _ESCAPES.sub("", self._raw.decode("utf-8", "replace"))

    def type(self, keys: str) -> None:
        """Send keys."""
        os.write(self._fd, keys.encode())

    def wait_for(self, text: str, timeout_s: float = 15.0) -> str:
        """Wait until a text is drawn that was not there when this was last called."""
        until_s = time.monotonic() + timeout_s
        while text not in self.screen[self._seen :]:
            assert time.monotonic() < until_s, f"no {text!r} in {self.screen[self._seen :]!r}"
            self._read(0.1)
        new = self.screen[self._seen :]
        self._seen += new.index(text) + len(text)
        return new

    def wait(self, timeout_s: float = 15.0) -> int:
        """Wait for the program to end and return its exit code."""
        until_s = time.monotonic() + timeout_s
        while True:
            self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < until_s, f"still running: {self.screen!r}"

    def close(self) -> None:
        """Kill what still runs."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def _read(self, timeout_s: float) -> None:
        if select.select([self._fd], [], [], timeout_s)[0]:
            with contextlib.suppress(OSError):  # EIO: the program has ended
                data = os.read(self._fd, 65536)
                self._raw += data
                for _ in range(data.count(CURSOR_QUERY)):
                    os.write(self._fd, b"\x1b[1;1R")


@contextlib.contextmanager
def in_terminal(command: Sequence[str], env: dict[str, str]) -> Iterator[Terminal]:
    """Run a program in a terminal."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(command[0], list(command), env)
    terminal = Terminal(pid, fd)
    try:
        yield terminal
    finally:
        terminal.close()
