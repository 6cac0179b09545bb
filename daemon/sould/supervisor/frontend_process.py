"""The process of one frontend: started, listened to, ended with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger(__name__)

_LAST_WORDS_S = 0.5


class FrontendProcess:
    """A running frontend, the leader of a process group of its own.

    Its stdin gets ``first_line`` and stays open: when that ends (we closed it, or we are gone),
    ``sould run-frontend`` ends the group from inside. What it prints goes to the log at DEBUG,
    for it may hold what somebody said. ``on_exit`` gets the return code as ``subprocess`` tells
    it and the last line that was printed, once nothing of the group runs any more.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        first_line: bytes,
        environ: Mapping[str, str],
        on_exit: Callable[[int, str], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_exit = on_exit
        self._last_line = ""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(environ),
        )
        self._greet(first_line)
        reader = threading.Thread(target=self._read_lines, name="frontend-output", daemon=True)
        reader.start()
        threading.Thread(
            target=self._wait, args=(reader,), name="frontend-exit", daemon=True
        ).start()

    @property
    def pid(self) -> int:
        """Return the process id, which is its group's too."""
        return self._process.pid

    def end(self) -> None:
        """Ask the frontend, and all it started, to end."""
        self._signal("SIGTERM")

    def kill(self) -> None:
        """End the frontend, and all it started, at once."""
        self._signal("SIGKILL")

    def _greet(self, first_line: bytes) -> None:
        assert self._process.stdin is not None
        # One that ended at once is told of by its exit.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(first_line + b"\n")
            self._process.stdin.flush()

    def _signal(self, name: str) -> None:
        if self._process.returncode is None:
            signal_all(self._process.pid, name)

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for raw in lines:
                if line := raw.decode("utf-8", "replace").rstrip():
                    self._last_line = line
                    log.debug("frontend %d: %s", self._process.pid, line)

    def _wait(self, reader: threading.Thread) -> None:
        if sys.platform != "win32":
            if hasattr(os, "waitid"):  # not on macOS before Python 3.13
                # Not reaped yet, its number cannot be another group's.
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
            else:
                self._process.wait()
            signal_all(self._process.pid, "SIGKILL")
        returncode = self._process.wait()
        reader.join(_LAST_WORDS_S)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._loop.call_soon_threadsafe(self._on_exit, returncode, self._last_line)
        except RuntimeError:  # the loop closed before the process ended
            log.debug("a frontend ended after the supervisor's loop")


def signal_all(leader: int, name: str) -> None:
    """Send a signal to a process group; on Windows, which has none, end the leader and all
    its descendants.
    """
    if sys.platform == "win32":
        import psutil  # not needed before

        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(leader)
            for one in (*process.children(recursive=True), process):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        return
    try:
        os.killpg(leader, signal.Signals[name])
    except (ProcessLookupError, PermissionError):  # macOS: all that is left of it are zombies
        log.debug("process group %d is gone already", leader)
