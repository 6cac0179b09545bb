"""What lies in ``models/`` at one moment, and when it was last written to."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from soul_client.wire import BodyEntry
from sould.bodystore.leases import is_being_written
from sould.bodystore.scan import scan

Stamp: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Of each file of a body: its name, bytes, time of writing (ns) and inode; another one when
anything in it was replaced, the same when it was only renamed.
"""

PARTIAL_SUFFIXES = (".part", ".partial", ".tmp", ".incomplete", ".crdownload", ".download")
"""Who fetches a file calls it so until it is whole."""
OPEN_S = 10.0
"""Who has a file open for so long without writing to it is no writer."""
SIDECARS = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
"""What of its folder belongs to a bare ``.safetensors`` file."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A body as it lies there. ``written_s``: when it was last written to (seconds since 1970).

    ``is_partial``: a file in its folder is called like one that is still being fetched.
    ``is_open``: somebody is writing to it, as far as is known. ``is_linked``: it may lie
    elsewhere, where nobody watches.
    """

    entry: BodyEntry
    stamp: Stamp
    written_s: float
    is_partial: bool = False
    is_open: bool = False
    is_linked: bool = False


def sight(models: Path) -> dict[str, Sighting]:
    """Return the bodies of ``models``, by name; half-written ones may be among them. Blocking.

    Raises:
        StorageError: the folder cannot be read.
    """
    linked: dict[str, bool] = {str(models): False}
    found = {entry.name: _sighting(entry, linked) for entry in scan(models)}
    return {name: seen for name, seen in found.items() if seen is not None}


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of the body at ``path``. Blocking.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    return _look(str(path))[0]


def _sighting(entry: BodyEntry, linked: dict[str, bool]) -> Sighting | None:
    """Return what a body looks like, None if it went away meanwhile. ``linked``: whether a folder
    is a link, as far as is known.
    """
    path = entry.path
    folder = os.path.dirname(path)  # noqa: PTH120 - a thousand times, twice a second
    try:
        stamp, is_linked = _look(path)
    except OSError:
        return None
    if folder not in linked:
        linked[folder] = Path(folder).is_symlink()
    written_ns = max((at_ns for _, _, at_ns, _ in stamp), default=0)
    return Sighting(
        entry=entry,
        stamp=stamp,
        written_s=written_ns / 1e9,
        is_partial=any(name.endswith(PARTIAL_SUFFIXES) for name, *_ in stamp),
        is_open=any(is_being_written(file) for file in _lately(path, stamp)),
        is_linked=is_linked or linked[folder],
    )


def _look(path: str) -> tuple[Stamp, bool]:
    """Return the stamp of a body, and whether something in it is a link."""
    found = os.lstat(path)
    is_linked = stat.S_ISLNK(found.st_mode)
    if is_linked:
        found = os.stat(path)  # noqa: PTH116
    if stat.S_ISDIR(found.st_mode):
        with os.scandir(path) as entries:
            files = [e for e in entries if not e.name.startswith(".") and e.is_file()]
        is_linked = is_linked or any(e.is_symlink() for e in files)
        stats = [(e.name, e.stat()) for e in files]
    else:
        stats = [("", found)]
        if path.endswith(".safetensors"):
            beside = [Path(path).with_name(name) for name in SIDECARS]
            stats += [(one.name, one.stat()) for one in beside if one.is_file()]
    stamp = sorted((name, one.st_size, one.st_mtime_ns, one.st_ino) for name, one in stats)
    return tuple(stamp), is_linked


def _lately(path: str, stamp: Stamp) -> Iterator[Path]:
    """Yield the files of a body that somebody may be writing to."""
    since_ns = time.time_ns() - int(OPEN_S * 1e9)
    for name, _, at_ns, _ in stamp:
        if at_ns > since_ns:
            whole = Path(path)
            yield whole if not name else whole / name if whole.is_dir() else whole.with_name(name)
