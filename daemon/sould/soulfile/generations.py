"""The generations in a soul's folder: listed and checked, without numpy."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sould.errors import SoulExists, SoulInvalid, SoulMissing, StorageError
from sould.soulfile.header import check_seal, read_header
from sould.soulfile.meta import SoulMeta

_NAME = re.compile(r"([0-9]{8,15})\.soul")


@dataclass(frozen=True, kw_only=True)
class GenerationFile:
    """A saved state of a soul. ``problem``: why it cannot be used, "" if nothing is known."""

    number: int
    path: Path
    meta: SoulMeta | None
    size_bytes: int
    problem: str


def file_name(number: int) -> str:
    """Return what the file of a generation is called."""
    return f"{number:08}.soul"


def list_files(folder: Path) -> list[tuple[int, Path]]:
    """Return the numbers and paths of all generations, newest first, nothing checked.

    Raises:
        SoulMissing: there is no such folder.
        StorageError: it cannot be read.
    """
    try:
        found = [(_number(path.name), path) for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError) as e:
        raise missing(folder) from e
    except OSError as e:
        raise StorageError(f"{folder} cannot be read: {e.strerror or e}") from e
    return sorted(((number, path) for number, path in found if number), reverse=True)


def read_generations(folder: Path) -> Iterator[GenerationFile]:
    """Yield all generations, newest first; only their headers are checked.

    Raises:
        SoulMissing, StorageError: as :func:`list_files`.
    """
    return (_checked(number, path, read_header) for number, path in list_files(folder))


def newest_sound(folder: Path) -> tuple[GenerationFile | None, list[str]]:
    """Return the newest generation whose seal holds, and a note for each one passed over.

    Raises:
        SoulMissing, StorageError: as :func:`list_files`.
    """
    notes = list[str]()
    for number, path in list_files(folder):
        found = _checked(number, path, check_seal)
        if not found.problem:
            return found, notes
        notes.append(passed_over(number, found.problem))
    return None, notes


def generation(number: int, path: Path, meta: SoulMeta) -> GenerationFile:
    """Return a sound generation."""
    size = path.stat().st_size
    return GenerationFile(number=number, path=path, meta=meta, size_bytes=size, problem="")


def missing(folder: Path) -> SoulMissing:
    """Return the error for a soul that is not there."""
    return SoulMissing(f"there is no soul '{folder.name}'", "'soul list' shows which there are")


def taken(name: str) -> SoulExists:
    """Return the error for a name that another soul has."""
    return SoulExists(f"there is a soul '{name}' already", "choose another name")


def passed_over(number: int, problem: str) -> str:
    """Say of a damaged generation that an older one is taken."""
    return f"generation {number} cannot be used and is passed over: {problem}"


def none_sound(name: str, notes: list[str]) -> SoulInvalid:
    """Return the error for a soul all of whose generations were passed over."""
    return SoulInvalid(
        f"soul '{name}' has no generation that can be used; {notes[0]}",
        "put a sound copy of the file there, or begin again with 'soul new'",
    )


@contextmanager
def storing(path: Path, verb: str = "written") -> Iterator[None]:
    """Say of an error of the system which file or folder it concerns."""
    try:
        yield
    except OSError as e:
        raise StorageError(f"{path} cannot be {verb}: {e.strerror or e}") from e


def _number(name: str) -> int:
    match = _NAME.fullmatch(name)
    number = int(match[1]) if match else 0
    return number if file_name(number) == name else 0


def _checked(number: int, path: Path, check: Callable[[Path], SoulMeta]) -> GenerationFile:
    meta, problem, size = None, "", 0
    try:
        size = path.stat().st_size
        meta = check(path)
    except (SoulInvalid, SoulMissing) as e:
        problem = e.message
    except OSError as e:
        problem = f"{path}: cannot be read ({e.strerror or e})"
    return GenerationFile(number=number, path=path, meta=meta, size_bytes=size, problem=problem)
