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
    it is rotated. The process's umask keeps it private.

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
    if stat.S_ISREG(os.fstat(sys.stderr.fileno()).st_mode):
        for to_stderr in root.handlers[:]:
            root.removeHandler(to_stderr)
    root.addHandler(handler)


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
