"""Private folders and files, written so that a crash leaves the old or the new, never half."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TypeVar

import msgspec

from sould.durable import open_private, replace_file, sync_dir
from sould.errors import StorageError

__all__ = [
    "make_private_dir",
    "open_private",
    "read_note",
    "require_safe_parent",
    "sync_dir",
    "write_private",
]


T = TypeVar("T")


def make_private_dir(path: Path) -> None:
    """Make a folder that only its owner may enter; parents that are missing likewise.

    A folder that exists is kept as it is, but must be ours and closed to others: a socket or
    a diary in a shared folder is everybody's.

    Raises:
        StorageError: it can't be made, is not a folder, or others own or may enter it.
    """
    try:
        for missing in reversed([p for p in (path, *path.parents) if not p.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        found = path.stat()
    except OSError as e:
        raise StorageError(f"folder {path} cannot be made: {e.strerror}") from e
    if not stat.S_ISDIR(found.st_mode):
        raise StorageError(f"{path} is not a folder")
    if sys.platform == "win32":  # the profile folder's access list guards it there
        return
    if found.st_uid != os.getuid():
        raise StorageError(f"{path} belongs to user id {found.st_uid}, not to you ({os.getuid()})")
    if found.st_mode & 0o077:
        raise StorageError(
            f"{path} has mode {found.st_mode & 0o777:04o}, others can reach what is in it",
            f"make it private: chmod 700 '{path}'",
        )


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600 whole or not at all, and durably.

    Raises:
        StorageError: the old file, if any, is still there.
    """
    try:
        replace_file(path, [data])
    except OSError as e:
        raise StorageError(f"{path} cannot be written: {e.strerror}") from e


def require_safe_parent(path: Path) -> None:
    """Refuse a folder whose parent lets another user swap it for theirs.

    Raises:
        StorageError: with the parent's owner or mode.
    """
    parent = path.resolve().parent
    if sys.platform == "win32":
        return
    found = parent.stat()
    if found.st_uid not in (os.getuid(), 0):
        raise StorageError(
            f"{parent} belongs to user id {found.st_uid}, who could replace our files"
        )
    if found.st_mode & 0o002 and not found.st_mode & stat.S_ISVTX:
        raise StorageError(f"{parent} is open to everybody (mode {found.st_mode & 0o777:04o})")


def read_note(path: Path, type_: type[T], hint: str) -> T | None:
    """Return what a long change of files noted before it began; None if there is no note.

    Raises:
        StorageError: it cannot be read; ``hint`` says what to do.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise StorageError(f"{path} cannot be read: {type(e).__name__}", hint) from e
