"""Which bodies lie in ``models/``: a quick look at names and first bytes, nothing is loaded.

What counts as a body, in ``models/`` itself or one folder deeper (``org/name``):

===============  ==================================================================
``hf``           a folder with ``config.json`` and a whole set of ``*.safetensors``
``gguf``         a ``*.gguf`` file that starts with its magic
``safetensors``  a ``*.safetensors`` file of its own
``bitt``         a ``*.bitt`` file that starts with its magic
===============  ==================================================================

A body's name is its path below ``models/`` without the suffix; where two would be called the
same, the later of the table keeps its suffix. Links are followed: ``models/`` is the user's,
and large bodies often live on another disk. Hidden names, half-written files and incomplete
sets of shards are passed over; whether a body is really good, ``bodyfile.open_body`` says.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from soul_client.wire import BodyEntry
from sould.errors import BadRequest, BodyMissing, StorageError

log = logging.getLogger(__name__)

Format = Literal["hf", "gguf", "safetensors", "bitt"]

FORMATS: tuple[Format, ...] = ("hf", "gguf", "safetensors", "bitt")
SUFFIXES: dict[str, Format] = {".gguf": "gguf", ".safetensors": "safetensors", ".bitt": "bitt"}
CONFIG = "config.json"

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})$")
_MAX_DEPTH = 2


def scan(models_dir: Path) -> list[BodyEntry]:
    """List the bodies of ``models_dir``, by name. A missing folder holds none.

    Raises:
        StorageError: the folder cannot be read.
    """
    try:
        found = sorted(_bodies(models_dir, 1), key=lambda body: (FORMATS.index(body[0]), body[1]))
    except OSError as e:
        raise StorageError(f"the models folder {models_dir} cannot be read: {e.strerror}") from e
    entries: dict[str, BodyEntry] = {}
    for format_, path, size_bytes in found:
        full = path.relative_to(models_dir).as_posix()
        name = full if format_ == "hf" else full.removesuffix(path.suffix)
        name = full if name in entries else name
        entries[name] = BodyEntry(name=name, path=str(path), format=format_, size_bytes=size_bytes)
    return sorted(entries.values(), key=lambda entry: (entry.name.casefold(), entry.name))


def resolve(models_dir: Path, name: str) -> BodyEntry:
    """Find a body by its name; the suffix of its file may be given too.

    Raises:
        BodyMissing: no such body, naming the nearest ones, or ``name`` is no name at all.
        StorageError: as ``scan``.
    """
    if not is_name(name):
        raise BodyMissing(
            f"{name!r} is not the name of a body",
            "a name is a path below the models folder; see 'soul body list'",
        )
    entries = scan(models_dir)
    by_name = {entry.name: entry for entry in entries}
    by_file = {os.path.relpath(entry.path, models_dir): entry for entry in entries}
    if entry := by_name.get(name) or by_file.get(os.path.normpath(name)):
        return entry
    if (why := _why_no_body(models_dir, name)) is not None:
        raise BodyMissing(*why)
    folded = {known.casefold(): known for known in by_name}
    near = [folded[key] for key in difflib.get_close_matches(name.casefold(), folded, 3, 0.5)]
    raise BodyMissing(
        f"no body {name!r} in {models_dir}" + (f"; near it: {', '.join(near)}" if near else ""),
        "see 'soul body list', or fetch one with 'soul body pull'",
    )


def _why_no_body(models_dir: Path, name: str) -> tuple[str, str] | None:
    """Return message and hint if what is called ``name`` is there, but is passed over."""
    for path in (models_dir / f"{name}{suffix}" for suffix in ("", *SUFFIXES)):
        if path.is_file():
            return _why_no_body_file(path)
        if path.is_dir():
            return (
                f"{path} is no body: expected {CONFIG} and a whole set of .safetensors files in it",
                "fetch one with 'soul body pull'; a .gguf file needs no folder",
            )
    return None


def _why_no_body_file(path: Path) -> tuple[str, str]:
    format_ = SUFFIXES.get(path.suffix)
    if format_ is None:
        return f"{path} is no body: its name ends in none of {', '.join(SUFFIXES)}", ""
    if _SHARD.match(path.stem):
        return f"{path} is one part of a body cut into several files", "name the first part"
    return (
        f"{path} is no readable {format_} file: broken, half copied, or closed to you",
        "fetch it again with 'soul body pull'",
    )


def require_free(models: Path, name: str) -> Path:
    """Return where a body of that name goes.

    Raises:
        BadRequest: no body can have that name, or one has it.
    """
    if not is_name(name):
        raise BadRequest(f"{name!r} cannot name a body", "choose another name")
    place = models / name
    for path in (place, *(place.with_name(place.name + suffix) for suffix in SUFFIXES)):
        if os.path.lexists(path):
            raise BadRequest(f"{path} is there already", "give the new body another name")
    return place


def is_name(name: str) -> bool:
    """Tell whether ``name`` can name a body: relative, at most two parts, nothing hidden."""
    if not name.isprintable() or "\\" in name or len(name) > 255:
        return False
    parts = PurePosixPath(name).parts
    return (
        name == "/".join(parts)
        and 1 <= len(parts) <= _MAX_DEPTH
        and not any(part.startswith(".") for part in parts)
    )


def _bodies(folder: Path, depth: int) -> Iterator[tuple[Format, Path, int]]:
    """Yield format, path and bytes of the bodies in ``folder``."""
    for entry in _visible(folder):
        try:
            if entry.is_file():
                yield from _from_file(entry)
            elif entry.is_dir():
                yield from _from_folder(Path(entry.path), depth)
        except OSError as e:
            log.warning("body passed over path=%s reason=%s", entry.path, e.strerror)


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is not hidden; names that are not text are passed over (no wire carries them)."""
    try:
        with os.scandir(folder) as entries:
            return [e for e in entries if not e.name.startswith(".") and e.name.isprintable()]
    except FileNotFoundError:
        return []


def _from_file(entry: os.DirEntry[str]) -> Iterator[tuple[Format, Path, int]]:
    path = Path(entry.path)
    format_ = SUFFIXES.get(path.suffix)
    if format_ is None or not has_magic(path, format_):
        return
    shard = _SHARD.match(path.stem)
    if shard and int(shard["number"]) != 1:  # a set of shards is listed once, by its first
        return
    yield format_, path, entry.stat().st_size


def _from_folder(folder: Path, depth: int) -> Iterator[tuple[Format, Path, int]]:
    """Yield the folder as a body; one with a config but half its weights hides them."""
    files = {entry.name: entry for entry in _visible(folder) if entry.is_file()}
    weights = [name for name in files if name.endswith(".safetensors")]
    if CONFIG not in files or not weights:
        if depth < _MAX_DEPTH:
            yield from _bodies(folder, depth + 1)
    elif _has_all_shards(weights) and all(has_magic(folder / w, "safetensors") for w in weights):
        yield "hf", folder, sum(entry.stat().st_size for entry in files.values())


def _has_all_shards(names: list[str]) -> bool:
    """Tell whether every set of ``…-00001-of-00003.safetensors`` is complete."""
    seen: dict[tuple[str, int], int] = {}
    for name in names:
        if shard := _SHARD.match(name.removesuffix(".safetensors")):
            key = shard["stem"], int(shard["count"])
            seen[key] = seen.get(key, 0) + 1
    return all(count == found for (_, count), found in seen.items())


def has_magic(path: Path, format_: Format) -> bool:
    """Tell whether the first bytes of a file are those of its format.

    A safetensors file has no magic: its header must be JSON and lie within the file.
    """
    with path.open("rb") as file:
        head = file.read(9)
        if format_ == "gguf":
            return head.startswith(b"GGUF")
        if format_ == "bitt":
            return head.startswith(b"BITT")
        header_bytes = int.from_bytes(head[:8], "little")
        return head[8:] == b"{" and 8 + header_bytes <= os.fstat(file.fileno()).st_size
