"""One plugin host process: spawn it, speak to it, read what it prints, notice its end."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence

import msgspec

from sould.pluginhost.mark import At, Mark
from sould.pluginhost.messages import Answered, Buffer, Ready, pack
from sould.supervisor.engine_process import split_level

log = logging.getLogger(__name__)
plugin_log = logging.getLogger("sould.plugins")

MOST_BACKLOG_BYTES = 1 << 22
"""What may wait for a host that does not read; more is not sent."""
_LAST_WORDS_S = 0.5
_PIECE_BYTES = 1 << 16

_decoder = msgspec.msgpack.Decoder(Ready | Answered)


class HostProcess(asyncio.BufferedProtocol):
    """A running host. ``on_exit`` gets the return code, and whose code ran at the end."""

    def __init__(
        self,
        *,
        on_message: Callable[[Ready | Answered], None],
        on_exit: Callable[[int, At], None],
    ) -> None:
        self.last_line = ""
        self.gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_exit = on_exit
        self._piece = bytearray(_PIECE_BYTES)
        self._buffer = Buffer()
        self._returncode: int | None = None
        self._is_cut = False

    async def start(self, command: Sequence[str]) -> None:
        """Start the process; it is there when this returns."""
        link = await asyncio.to_thread(self._spawn, command)
        transport, _ = await self._loop.connect_accepted_socket(lambda: self, link)
        self._transport = transport
        reader = threading.Thread(target=self._read_lines, name="plugin-output", daemon=True)
        reader.start()
        threading.Thread(target=self._wait, args=(reader,), name="plugin-exit", daemon=True).start()

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def at(self) -> At:
        """Return whose code runs now."""
        return self._mark.read()

    def send(self, message: msgspec.Struct) -> bool:
        """Send one message; False: it is dropped, as it is too long or the host reads nothing."""
        if self._transport.get_write_buffer_size() > MOST_BACKLOG_BYTES:
            return False
        try:
            self._transport.write(pack(message))
        except ValueError as e:
            log.warning("plugins are not told: %s", e)
            return False
        return True

    def end(self) -> None:
        """Ask the process to end, by closing the socket."""
        self._transport.close()

    def kill(self) -> None:
        """End the process, and what plugins started in it, at once."""
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                log.debug("plugin host %d is gone already", self._process.pid)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where the next piece goes: always the same, a new one takes as long as reading."""
        return self._piece

    def buffer_updated(self, nbytes: int) -> None:
        """Take what the host says; one that talks nonsense is ended."""
        try:
            for message in self._buffer.feed(memoryview(self._piece)[:nbytes]):
                self._on_message(_decoder.decode(message))
        except (ValueError, msgspec.MsgspecError) as e:
            log.error("the plugin host broke the protocol and is ended: %s", e)
            self.kill()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that it says no more."""
        self._is_cut = True
        self._finish()

    def _spawn(self, command: Sequence[str]) -> socket.socket:
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as file, theirs:
            file.truncate(mmap.PAGESIZE)
            self._mark = Mark(file.fileno())
            self._process = subprocess.Popen(
                [*command, str(file.fileno())],
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(file.fileno(),),
                start_new_session=True,
            )
        ours.setblocking(False)
        return ours

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for raw in lines:
                if line := raw.decode("utf-8", "replace").rstrip():
                    level, words = split_level(line)
                    self.last_line = "" if level == logging.INFO else line
                    plugin_log.log(level, "%s", words)

    def _wait(self, reader: threading.Thread) -> None:
        returncode = self._process.wait()
        reader.join(_LAST_WORDS_S)
        try:
            self._loop.call_soon_threadsafe(self._ended, returncode)
        except RuntimeError:  # the loop closed before the process ended
            log.debug("the plugin host ended after the supervisor's loop")

    def _ended(self, returncode: int) -> None:
        """Take note of the end; what it said last may still be on its way."""
        self._returncode = returncode
        self._loop.call_later(_LAST_WORDS_S, self._transport.abort)
        self._finish()

    def _finish(self) -> None:
        if self._returncode is not None and self._is_cut and not self.gone.is_set():
            at = self._mark.read()
            self._mark.close()
            self.gone.set()
            self._on_exit(self._returncode, at)
