"""Files of one record a line, as a crash may leave them. Blocking: call it from a thread."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from sould.supervisor.files import open_private

log = logging.getLogger(__name__)


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of it, however often that takes."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def mend(path: Path, file: FileIO, is_whole: Callable[[bytes], bool]) -> None:
    """Give a file that does not end with a newline one.

    What follows the last newline was left unfinished by a crash and never acknowledged: it is
    moved beside the file. Unless it is a whole line: then only the newline is missing.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    if file.read(1) in (b"", b"\n"):
        return
    start = _last_line_start(file, end)
    file.seek(start)
    tail = file.readall()
    if is_whole(tail):
        write_all(file, b"\n")
        return
    torn = path.with_suffix(".torn")
    with open(torn, "ab", buffering=0, opener=open_private) as torn_file:
        write_all(torn_file, tail + b"\n")
        os.fsync(torn_file.fileno())
    file.truncate(start)
    os.fsync(file.fileno())
    log.warning("the last line of %s was torn: %d bytes moved to %s", path, len(tail), torn.name)


def _last_line_start(file: FileIO, end: int) -> int:
    """Return the offset after the last newline."""
    while end > 0:
        begin = max(0, end - 65536)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0
