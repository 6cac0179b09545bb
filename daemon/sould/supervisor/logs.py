"""Where log lines go: a rotating file, stderr, and the event stream."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from sould.supervisor.files import make_private_dir

MAX_BYTES = 1_000_000
KEPT_FILES = 3

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def write_to_stderr(level: str) -> None:
    """Begin to log, for a start: to stderr alone."""
    logging.basicConfig(level=level.upper(), format=_FORMAT)


def write_to_file(path: Path) -> None:
    """Log to a file too, and where stderr is a file (a detached daemon) to this one alone:
    it is rotated. The process's umask keeps it private; others read the system's journal, so
    what is below INFO does not go there.

    Raises:
        StorageError: the folder cannot be made or is not private.
        OSError: the file cannot be opened.
    """
    make_private_dir(path.parent)
    handler = RotatingFileHandler(
        path, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8"
    )
    handler.setFormatter(logging.Formatter(_FORMAT))
    root = logging.getLogger()
    for to_stderr in root.handlers[:]:
        if _is_left_to_a_file():
            root.removeHandler(to_stderr)
        elif _is_journal():
            to_stderr.setLevel(logging.INFO)
    root.addHandler(handler)


def _is_left_to_a_file() -> bool:
    """Tell whether nobody reads stderr as it comes; a program without a console has none."""
    return sys.stderr is None or stat.S_ISREG(os.fstat(sys.stderr.fileno()).st_mode)


def _is_journal() -> bool:
    """Tell whether stderr leads to systemd's journal, as systemd.exec(5) says to find out."""
    found = os.fstat(sys.stderr.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class EventHandler(logging.Handler):
    """Passes log lines of INFO and above on as ``log`` events, from whatever thread."""

    def __init__(self, publish: Callable[[str, dict[str, Any]], None]) -> None:
        super().__init__(logging.INFO)
        self._publish = publish
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        """Publish one line; after the loop has closed there is nobody to tell."""
        data = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._publish, "log", data)
