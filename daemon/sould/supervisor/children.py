"""Work that needs heavy libraries, in a child process that says how far it is.

``sould inspect`` and ``sould pull`` print JSON lines: ``{"progress": …}`` any number of times,
then ``{"done": …}`` or ``{"error": …}``. Whatever else they print goes to the log.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from soul_client.wire import Error, ErrorCode, Progress
from sould.errors import BadRequest, Relayed
from sould.supervisor.background import note_failure
from sould.supervisor.engine_process import describe_exit
from sould.supervisor.events import Events
from sould.supervisor.request import Request

log = logging.getLogger(__name__)

KILL_AFTER_S = 2.0


class _Line(Struct):
    """One line of a child's output."""

    progress: Progress | None = None
    done: dict[str, Any] | None = None
    error: Error | None = None


class Children:
    """Runs ``sould VERB`` for requests. ``config``: the file that says what the daemon goes by."""

    def __init__(
        self, config: Path, events: Events, command: Sequence[str] = (sys.executable, "-m", "sould")
    ) -> None:
        self._config = config
        self._events = events
        self._command = command

    async def run(
        self,
        request: Request,
        argv: Sequence[str],
        *,
        told_as: str = "",
        kill_after_s: float = KILL_AFTER_S,
    ) -> dict[str, Any]:
        """Run a child to its end, or the request's, and return what it is ``done`` with.

        ``argv``: verb and arguments. ``told_as``: the event that tells everybody how far it is.

        Raises:
            SouldError, Stopped: as ``run_child`` and ``Request.race``.
        """

        def report(progress: Progress) -> None:
            request.progress(progress)
            if told_as:
                data = {"id": request.id, "progress": msgspec.to_builtins(progress)}
                self._events.publish(told_as, data)

        verb, *rest = argv
        command = [*self._command, verb, "--config", str(self._config), *rest]
        return await request.race(run_child(command, report, kill_after_s=kill_after_s))


async def run_child(
    command: Sequence[str],
    on_progress: Callable[[Progress], None],
    *,
    kill_after_s: float = KILL_AFTER_S,
) -> dict[str, Any]:
    """Run a child to its end and return what it is ``done`` with.

    Cancelling ends it, and everything it started; it has ``kill_after_s`` for that.

    Raises:
        BadRequest: a name or path can be none: it has a NUL in it, or is too long for a command.
        SouldError: the error it reports, or how it ended without a word.
    """
    child = _Child(command, on_progress, kill_after_s)
    try:
        return await child.outcome
    finally:
        child.end()


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except ValueError as e:  # a NUL, or what no file system can name
        raise BadRequest(f"a name or path cannot be one: {e}") from e
    except OSError as e:
        if e.errno != errno.E2BIG:
            raise
        raise BadRequest("a name or path is too long to be one") from e


class _Child:
    def __init__(
        self,
        command: Sequence[str],
        on_progress: Callable[[Progress], None],
        kill_after_s: float,
    ) -> None:
        self._kill_after_s = kill_after_s
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self.outcome.add_done_callback(note_failure)
        self._on_progress = on_progress
        self._last_line = ""
        self._process = _start(command)
        threading.Thread(target=self._read, name="child-output", daemon=True).start()

    def end(self) -> None:
        """Ask the child and all it started to end, if it still runs; make it, a little later."""
        if self._process.poll() is None:
            self._signal("SIGTERM")
            self._loop.call_later(self._kill_after_s, self._kill)

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._signal("SIGKILL")

    def _signal(self, name: str) -> None:
        if sys.platform == "win32":
            self._process.kill()
            return
        try:
            os.killpg(self._process.pid, signal.Signals[name])
        except ProcessLookupError:
            log.debug("child %d is gone already", self._process.pid)

    def _read(self) -> None:
        with self._process as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    self._loop.call_soon_threadsafe(self._take, line)
                self._loop.call_soon_threadsafe(self._ended, process.wait())
            except RuntimeError:  # the loop closed: nobody listens any more
                log.debug("a child outlived the supervisor's loop")

    def _take(self, line: bytes) -> None:
        if self.outcome.done():
            return
        try:
            said = msgspec.json.decode(line, type=_Line)
        except msgspec.MsgspecError:
            self._last_line = line.decode("utf-8", "replace").strip()
            log.debug("child: %s", self._last_line)
            return
        if said.progress is not None:
            self._on_progress(said.progress)
        elif said.error is not None:
            self.outcome.set_exception(Relayed(*_parts(said.error)))
        elif said.done is not None:
            self.outcome.set_result(said.done)

    def _ended(self, returncode: int) -> None:
        if not self.outcome.done():
            how = describe_exit(returncode, self._last_line)
            message = f"the helper process ended without a result ({how})"
            self.outcome.set_exception(Relayed(ErrorCode.INTERNAL, message))


def _parts(error: Error) -> tuple[ErrorCode, str, str]:
    return error.code, error.message, error.hint
