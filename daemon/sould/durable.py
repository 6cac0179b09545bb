"""Files replaced whole and durably: after a crash the old one is there or the new, never half."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path

_DRAFT_PID = re.compile(r"\.(\d+)-[0-9a-f]{8}\.new$")


def replace_file(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file of mode 0600: draft in the same folder, fsync, rename, fsync of the folder.

    Drafts that killed processes left behind are removed first. Writers of one path do not
    disturb each other: the last rename wins.

    Raises:
        OSError: the old file, if any, or the new one is there, whole.
    """
    _remove_left_over_drafts(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with open(draft, "wb", opener=open_private) as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
    sync_dir(path.parent)


def open_private(path: str, flags: int) -> int:
    """Open a file, of mode 0600 if it is new; the ``opener`` of ``open``."""
    return os.open(path, flags, 0o600)


def sync_dir(path: Path) -> None:
    """Make the names in a folder durable (Windows does so by itself)."""
    if sys.platform == "win32":
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove_left_over_drafts(path: Path) -> None:
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*.new"):
        import psutil  # not needed unless somebody was killed

        match = _DRAFT_PID.search(draft.name)
        if match and not psutil.pid_exists(int(match[1])):
            draft.unlink(missing_ok=True)
