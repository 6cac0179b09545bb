"""The instance lock: at most one daemon per workspace and per runtime dir.

Held by the kernel for as long as the process lives, so a crash never leaves it behind.
The file stays; its text (the pid) is only for people and messages.
"""

from __future__ import annotations

import os
import sys
from io import FileIO
from pathlib import Path

from sould.errors import AlreadyRunning, StorageError
from sould.supervisor.files import open_private

LOCK_NAME = "sould.lock"


class InstanceLock:
    """An exclusive lock on ``<folder>/sould.lock``."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self._file: FileIO | None = None

    def acquire(self) -> None:
        """Take the lock, or say who has it.

        Raises:
            AlreadyRunning: with the pid of the owner.
            StorageError: the lock file cannot be opened.
        """
        try:
            fd = open_private(str(self.path), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        except OSError as e:
            raise StorageError(f"{self.path} cannot be opened: {e.strerror}") from e
        file = FileIO(fd, "r+")
        try:
            _lock(file.fileno())
        except OSError as e:
            owner = file.read(20).decode("ascii", "replace").strip() or "unknown"
            file.close()
            raise AlreadyRunning(
                f"a daemon already runs for {self.path.parent} (pid {owner})",
                "talk to it with 'soul', or end it with 'soul down'",
            ) from e
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        self._file = file

    def release(self) -> None:
        """Give the lock back; the file stays, since removing it would race with the next owner."""
        if self._file is not None:
            self._file.close()
            self._file = None


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        os.lseek(fd, 1 << 20, os.SEEK_SET)  # a byte nobody reads: Windows locks bar reading
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(fd, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
