"""What lies in ``models/`` at one moment, and when it was last written to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from soul_client.wire import BodyEntry
from sould.bodystore.scan import scan

Stamp: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""Of each file of a body: its name, bytes, time of writing (ns) and inode; another one when
anything in it was replaced, the same when it was only renamed.
"""

PARTIAL_SUFFIXES = (".part", ".partial", ".tmp", ".incomplete", ".crdownload", ".download")
"""Who fetches a file calls it so until it is whole."""
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
    ``is_linked``: it may lie elsewhere, where nobody watches.
    """

    entry: BodyEntry
    stamp: Stamp
    written_s: float
    is_partial: bool = False
    is_linked: bool = False


def sight(models: Path) -> dict[str, Sighting]:
    """Return the bodies of ``models``, by name; half-written ones may be among them. Blocking.

    Raises:
        StorageError: the folder cannot be read.
    """
    found = {entry.name: _sighting(models, entry) for entry in scan(models)}
    return {name: seen for name, seen in found.items() if seen is not None}


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of the body at ``path``. Blocking.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    return tuple(
        (name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in sorted(_files(path))
    )


def _sighting(models: Path, entry: BodyEntry) -> Sighting | None:
    """Return what a body looks like, None if it went away meanwhile."""
    path = Path(entry.path)
    try:
        stamp = stamp_of(path)
        is_linked = any(part.is_symlink() for part in _parts(models, path, stamp))
    except OSError:
        return None
    return Sighting(
        entry=entry,
        stamp=stamp,
        written_s=max((written_ns for _, _, written_ns, _ in stamp), default=0) / 1e9,
        is_partial=any(name.endswith(PARTIAL_SUFFIXES) for name, *_ in stamp),
        is_linked=is_linked,
    )


def _parts(models: Path, path: Path, stamp: Stamp) -> Iterator[Path]:
    """Yield a body, the folders it is in below ``models``, and its files if it is a folder."""
    yield path
    if path.parent != models:
        yield path.parent
    if path.is_dir():
        yield from (path / name for name, *_ in stamp)


def _files(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files of a body; a file that is all of it has no name."""
    if path.is_dir():
        with os.scandir(path) as entries:
            yield from ((e.name, e.stat()) for e in entries if _belongs(e))
        return
    yield "", path.stat()
    if path.suffix == ".safetensors":
        for name in SIDECARS:
            if (sidecar := path.with_name(name)).is_file():
                yield name, sidecar.stat()


def _belongs(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(".") and entry.is_file()
