"""Which files there are to read, and their bytes: no links inside a folder, nothing but files."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from sould.documents.limits import (
    MAX_FILES,
    MAX_FOLDER_DEPTH,
    MAX_NAME_CHARS,
    MAX_PDF_BYTES,
    MAX_TEXT_BYTES,
)
from sould.documents.passage import Unreadable
from sould.errors import BadRequest, NotFound, TooLarge

TEXT, MARKDOWN, PDF = (".txt", ".text"), (".md", ".markdown"), (".pdf",)
KNOWN = (*TEXT, *MARKDOWN, *PDF)


class Found(Struct, frozen=True, kw_only=True):
    """A file. ``name``: of the document; below a folder that is fed, with the folder's own."""

    path: Path
    name: str
    is_link: bool = False

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()


def find_files(path: Path) -> list[Found]:
    """Return the file at a path, or those below a folder, in the order of their names.

    What is hidden in a folder is passed over. Nothing is opened yet.

    Raises:
        NotFound: there is nothing at that path.
        BadRequest: it is neither a file nor a folder, or cannot be listed.
        TooLarge: too many files, or too deep.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as e:
        raise NotFound(f"{path}: there is no such file or folder") from e
    except (OSError, ValueError) as e:
        raise BadRequest(f"{path}: cannot be read: {e}") from e
    if stat.S_ISREG(mode):
        return [Found(path=path, name=_name(path.name))]
    if not stat.S_ISDIR(mode):  # reading a pipe might never end
        raise BadRequest(f"{path}: is neither a file nor a folder")
    found: list[Found] = []
    for one in _walk(path, path.resolve().name, 0):
        found.append(one)
        if len(found) > MAX_FILES:
            raise TooLarge(
                f"{path}: has more than {MAX_FILES} files in it", "feed its folders one by one"
            )
    return found


def _walk(folder: Path, name: str, depth: int) -> Iterator[Found]:
    if depth > MAX_FOLDER_DEPTH:
        raise TooLarge(f"{folder}: is nested deeper than {MAX_FOLDER_DEPTH} folders")
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as e:
        raise BadRequest(f"{folder}: cannot be read: {e.strerror}") from e
    for entry in entries:
        if entry.name.startswith("."):
            continue
        below = f"{name}/{entry.name}"
        if entry.is_symlink():
            yield Found(path=Path(entry.path), name=_name(below), is_link=True)
        elif entry.is_dir():
            yield from _walk(Path(entry.path), below, depth + 1)
        else:
            yield Found(path=Path(entry.path), name=_name(below))


def _name(name: str) -> str:
    """Return a name that can be written down: bytes that are no text are replaced."""
    return os.fsencode(name).decode("utf-8", "replace")[-MAX_NAME_CHARS:]


def read_bytes(one: Found) -> bytes:
    """Return what is in a file of a known kind.

    Raises:
        Unreadable: it is a link, no file, of no known kind, too large, or cannot be read.
    """
    if one.is_link:
        raise Unreadable("link", "is a link, and links in a folder are not followed")
    if one.suffix not in KNOWN:
        raise Unreadable("unknown_kind", f"is of no known kind: known are {', '.join(KNOWN)}")
    limit = MAX_PDF_BYTES if one.suffix in PDF else MAX_TEXT_BYTES
    try:
        with open(one.path, "rb", opener=_open) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise Unreadable("not_allowed", "is no file")
            data = file.read(limit + 1)
    except OSError as e:
        raise Unreadable("not_allowed", f"cannot be read: {e.strerror}") from e
    if len(data) > limit:
        raise Unreadable("too_large", f"has more than {limit} bytes")
    return data


def _open(path: str, flags: int) -> int:
    if sys.platform != "win32":
        flags |= os.O_NONBLOCK  # what was a file may be a pipe by now
    return os.open(path, flags)
