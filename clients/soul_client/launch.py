"""Start the daemon, detached, where none is running.

Safe to call from many clients at once: one starts it, the others find it. Needs the
package ``sould`` in this Python; nothing of it is imported here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from soul_client import locate
from soul_client.client import Client
from soul_client.errors import LaunchFailed, NotRunning
from soul_client.wire import Connection

LOCK_NAME = "launch.lock"
POLL_S = 0.02
ALREADY_RUNNING = 75  # the exit code of sould where another one has the workspace
ANOTHER_WITHIN_S = 5.0
LAST_LINES = 5


def ensure_running(
    config: str | os.PathLike[str] | None = None,
    *,
    timeout_s: float = 30.0,
    safe_mode: bool = False,
) -> Connection:
    """Return the connection of a daemon that answers; start one if there is none, with
    ``safe_mode`` one without plugins.

    Raises:
        ConfigNotFound: see ``locate.find_config``.
        LaunchFailed: it ended, or was not ready in time; with its exit code and last words.
        ConnectionLost: there is a daemon but it does not answer.
    """
    path = locate.find_config(config)
    until_s = time.monotonic() + timeout_s
    if connection := probe(path):
        return connection
    with _launching(path, until_s):
        return probe(path) or _launch(path, until_s, safe_mode)


def probe(config_path: Path) -> Connection | None:
    """Return the connection of the daemon of this config; None if there is none."""
    try:
        connection = locate.read_connection(config_path)
        with Client(connection=connection, name="launch"):
            return connection
    except NotRunning:
        return None


def wait_until_gone(connection: Connection, *, timeout_s: float) -> bool:
    """Wait for a daemon's process to end; False if it is still there after ``timeout_s``."""
    until_s = time.monotonic() + timeout_s
    while locate.is_alive(connection.pid):
        if time.monotonic() > until_s:
            return False
        time.sleep(POLL_S)
    return True


def _launch(config_path: Path, until_s: float, safe_mode: bool) -> Connection:
    stderr_path = locate.workspace_dir(config_path) / locate.STDERR_FILE
    child = _spawn(config_path, stderr_path, ["--safe-mode"] if safe_mode else [])
    # The thread reaps it: a daemon that ends while we live must not stay as a zombie.
    threading.Thread(target=child.wait, name="reap-sould", daemon=True).start()
    has_ended = False
    while time.monotonic() < until_s:
        if connection := probe(config_path):
            return connection
        if child.returncode is not None and not has_ended:
            has_ended = True
            if child.returncode != ALREADY_RUNNING:
                break
            # One that was started by hand is getting ready, or was just ending.
            until_s = min(until_s, time.monotonic() + ANOTHER_WITHIN_S)
        time.sleep(POLL_S)
    raise LaunchFailed(_failure(child, stderr_path))


def _spawn(config_path: Path, stderr_path: Path, mode: list[str]) -> subprocess.Popen[bytes]:
    """Start the process. Its stderr goes to a file of its own: it keeps the log itself."""
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    stderr_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stderr_path.exists():
        stderr_path.replace(stderr_path.with_suffix(".log.1"))
    with _open_private(stderr_path) as stderr:
        return subprocess.Popen(
            # -P keeps the working directory off the module path.
            [sys.executable, "-P", "-m", "sould", "--config", str(config_path), *mode],
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            cwd=config_path.parent,
            start_new_session=True,
            creationflags=flags,
        )


def _failure(child: subprocess.Popen[bytes], stderr_path: Path) -> str:
    code = child.returncode
    if code is None:
        child.terminate()
        what = "was not ready in time and was ended"
    elif code < 0:
        what = f"was killed by signal {-code} while it started"
    else:
        what = f"ended with code {code} while it started"
    lines = stderr_path.read_text("utf-8", "replace").splitlines()
    words = "\n".join([line for line in lines if line.strip()][-LAST_LINES:])
    return f"the daemon {what}:\n{words}" if words else f"the daemon {what}, without a word"


def _open_private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


@contextmanager
def _launching(config_path: Path, until_s: float) -> Iterator[None]:
    """Hold the right to start the daemon of a workspace.

    Raises:
        LaunchFailed: another client held it until the time was over.
    """
    folder = locate.workspace_dir(config_path) / locate.LOCAL_RUN_DIR
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _open_private(folder / LOCK_NAME) as lock:
        while not _try_lock(lock):
            if time.monotonic() > until_s:
                raise LaunchFailed("another client has been starting the daemon all the time")
            time.sleep(POLL_S)
        yield


def _try_lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed; False if somebody else holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
