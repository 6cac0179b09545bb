"""Where a body in ``models/`` came from, noted when it was checked and placed.

One small JSON file per body in ``models/.pulled``. A receipt holds as long as the files have
the sizes and times it names: then the body need not be checked again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

RECEIPTS = ".pulled"


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """``files``: path below the body (``""`` for a body of one file) -> (bytes, mtime in ns)."""

    source: str
    files: dict[str, tuple[int, int]]
    licence: str = ""


def file_key(name: str) -> str:
    """Return ``name`` as one file name; different names stay different."""
    return quote(name, safe="")


def write(models_dir: Path, name: str, body: Path, *, source: str, licence: str = "") -> None:
    """Note where ``body`` came from; it may still lie elsewhere, its times travel with it."""
    path = _path(models_dir, name)
    path.parent.mkdir(exist_ok=True)
    receipt = Receipt(source=source, files=_files(body), licence=licence)
    draft = path.with_suffix(".tmp")
    draft.write_bytes(msgspec.json.encode(receipt))
    draft.replace(path)


def read(models_dir: Path, name: str, body: Path) -> Receipt | None:
    """Return the receipt of ``body`` if there is one and the files are as it says."""
    try:
        receipt = msgspec.json.decode(_path(models_dir, name).read_bytes(), type=Receipt)
    except (OSError, msgspec.MsgspecError):
        return None
    return receipt if receipt.files == _files(body) else None


def _path(models_dir: Path, name: str) -> Path:
    return models_dir / RECEIPTS / f"{file_key(name)}.json"


def _files(body: Path) -> dict[str, tuple[int, int]]:
    return {key: (s.st_size, s.st_mtime_ns) for key, s in sorted(_stats(body))}


def _stats(body: Path) -> Iterator[tuple[str, os.stat_result]]:
    if body.is_file():
        yield "", body.stat()
        return
    for path in body.rglob("*"):
        if path.is_file():
            yield path.relative_to(body).as_posix(), path.stat()
