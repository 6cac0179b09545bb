"""A daemon in a process of its own, for tests."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from soul_client import locate
from soul_client.client import Client
from soul_client.errors import NotRunning
from soul_client.wire import Connection

START_TIMEOUT_S = 15.0
END_TIMEOUT_S = 20.0


class DaemonProcess:
    """A running ``sould``, with ``options`` beside its config; ``environ`` adds to ours."""

    def __init__(
        self,
        config: Path,
        *options: str,
        environ: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.config = config
        self.process = subprocess.Popen(
            [python, "-m", "sould", "--config", str(config), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environ or {})},
        )
        self.started_at = time.monotonic()
        self._logged = bytearray()
        self._reader = threading.Thread(target=self._read_stderr, daemon=True)
        self._reader.start()

    @property
    def workspace(self) -> Path:
        """Return where it keeps diary, souls and logs."""
        return locate.workspace_dir(self.config)

    def await_ready(self) -> Connection:
        """Wait for ``connection.json`` and return what it says."""
        while True:
            with contextlib.suppress(NotRunning, msgspec.MsgspecError):
                connection = locate.read_connection(self.config)
                if connection.pid == self.process.pid:
                    return connection
            if self.process.poll() is not None:
                raise AssertionError(f"sould ended with {self.process.returncode}: {self.stderr()}")
            if time.monotonic() - self.started_at > START_TIMEOUT_S:
                raise AssertionError("sould is not ready")
            time.sleep(0.005)

    def await_plugins(self) -> None:
        """Wait until every plugin is at work; fails with the problem of one that cannot be."""
        until = time.monotonic() + START_TIMEOUT_S
        with Client(self.config, name="test") as client:
            while True:
                enabled = [one for one in client.plugins_list().plugins if one.enabled]
                for one in enabled:
                    assert not one.problem, f"plugin {one.name}: {one.problem}"
                if all(one.state == "on" for one in enabled):
                    return
                assert time.monotonic() < until, enabled
                time.sleep(0.02)

    def stderr(self) -> str:
        """Return what it logged; the process must have ended."""
        self._reader.join(timeout=10)
        return self._logged.decode("utf-8", "replace")

    def log(self) -> str:
        """Return its log file so far."""
        return locate.log_file(self.config).read_text("utf-8")

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def terminate(self, timeout_s: float = END_TIMEOUT_S) -> int:
        """End it in good order; return its exit code."""
        self.process.terminate()
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """End it if it still runs, and free the pipe."""
        if self.process.poll() is None:
            self.kill()
        self._reader.join(timeout=10)

    def _read_stderr(self) -> None:
        """Take what it logs as it comes: a full pipe would hold it up."""
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            while data := os.read(stderr.fileno(), 1 << 16):
                self._logged += data
