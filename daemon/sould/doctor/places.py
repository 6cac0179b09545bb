"""The folders the daemon writes to, the room on the disk, and what a crash may have left."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from soul_client import locate
from soul_client.errors import SoulError
from soul_client.findings import Finding, ok, problem, warning
from sould.config import Config
from sould.supervisor.locks import LOCK_NAME
from sould.supervisor.runtime import MAX_SOCKET_PATH_BYTES

PRIVATE = ("memories", "souls", "logs", "cache", "reports")
"""Folders of the workspace that the daemon makes for its owner alone."""
LONGEST_SOCKET = "engine-99999.sock"
FEW_BYTES = 1_000_000_000
TOO_FEW_BYTES = 100_000_000


def folders(config: Config) -> Iterator[Finding]:
    """Say of each folder that is not as the daemon needs it what is wrong."""
    private = [config.runtime_dir, *(config.workspace / name for name in PRIVATE)]
    wrong = [*_faults(config.workspace), *_faults(config.models)]
    for path in private:
        wrong += _faults(path, is_private=True)
    socket = config.runtime_dir / LONGEST_SOCKET
    if config.wire.listen == "ipc" and len(os.fsencode(socket)) > MAX_SOCKET_PATH_BYTES:
        wrong.append(problem("folders", "folder.long", path=str(config.runtime_dir)))
    yield from wrong or [ok("folders", "folder.good", path=str(config.workspace))]


def disk(config: Config) -> Iterator[Finding]:
    """Say how much room there is where the workspace is."""
    free = shutil.disk_usage(_nearest(config.workspace)).free
    level = problem if free < TOO_FEW_BYTES else warning if free < FEW_BYTES else ok
    said = "disk.good" if free >= FEW_BYTES else "disk.full"
    yield level("disk", said, free_bytes=free, path=str(config.workspace))


def lock(config: Config) -> Iterator[Finding]:
    """Look for a daemon that nobody can reach, and for what one that crashed has left.

    The lock itself is not tried: for a moment that would keep a daemon from starting.
    """
    try:
        connection = locate.read_connection(config.path)
    except SoulError:
        pass
    else:
        yield ok("lock", "lock.daemon", pid=connection.pid)
        return
    if pid := _owner(config.workspace / LOCK_NAME):
        yield warning("lock", "lock.silent", pid=pid, path=str(config.workspace))
        return
    left = [*config.runtime_dir.glob("*.sock"), *locate.connection_files(config.path)]
    names = ", ".join(str(path) for path in left if path.exists())
    if names:
        yield warning("lock", "lock.left", files=names)
    else:
        yield ok("lock", "lock.free")


def _faults(path: Path, *, is_private: bool = False) -> list[Finding]:
    """Return what is wrong with a folder; one that is not there yet is made by the daemon."""
    if not path.exists():
        nearest = _nearest(path)
        if os.access(nearest, os.W_OK | os.X_OK):
            return []
        return [problem("folders", "folder.unmade", path=str(path), parent=str(nearest))]
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        return [problem("folders", "folder.file", path=str(path))]
    if is_private and sys.platform != "win32":
        if found.st_uid != os.getuid():
            return [problem("folders", "folder.foreign", path=str(path), owner=found.st_uid)]
        if found.st_mode & 0o077:
            mode = f"{found.st_mode & 0o777:04o}"
            return [problem("folders", "folder.open", path=str(path), mode=mode)]
    if not os.access(path, os.W_OK | os.X_OK):
        return [problem("folders", "folder.closed", path=str(path))]
    return []


def _nearest(path: Path) -> Path:
    """Return the path, or what there is of it."""
    return next(part for part in (path, *path.parents) if part.exists())


def _owner(lock_file: Path) -> int:
    """Return the pid of the daemon that wrote a lock file; 0 if that has ended."""
    try:
        pid = int(lock_file.read_text("ascii"))
        command = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return 0
    return pid if "sould" in " ".join(command) else 0
