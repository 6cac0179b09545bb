"""Where a body waits until it is whole: fetched into ``models/.partial``, placed in one step.

::

    models/.partial/NAME.lock     one pull per name at a time
    models/.partial/NAME/job      what is being fetched; another job starts from nothing
    models/.partial/NAME/files/   what will be placed
    models/.partial/NAME/work/    downloads on the way
    models/.partial/NAME/old/     the body that is being replaced

Killed at any moment, ``models/`` holds either the old body, the new one or, between the two
renames of a replacement, none, and then the next pull of that name puts the old one back.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sould.bodystore.receipts import file_key
from sould.errors import PullFailed

PARTIAL = ".partial"

FreeBytes = Callable[[Path], int]

_MARGIN_BYTES = 64 * 1024 * 1024  # left free for the diary and everybody else
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(folder: Path) -> int:
    """Return the bytes free for us on the disk of ``folder``."""
    return shutil.disk_usage(folder).free


class Stage:
    """The folder of one pull, held by its lock."""

    def __init__(self, models_dir: Path, name: str, free: FreeBytes) -> None:
        self.models_dir = models_dir
        self.name = name
        self.folder = models_dir / PARTIAL / file_key(name)
        self.files = self.folder / "files"
        self.work = self.folder / "work"
        self._old = self.folder / "old"
        self._free = free
        self.need_bytes = 0

    def begin(self, job: str) -> None:
        """Keep what an interrupted pull of the same ``job`` left behind, drop anything else."""
        note = self.folder / "job"
        if not (note.is_file() and note.read_text("utf-8") == job):
            self.discard()
            self.folder.mkdir(parents=True)
            note.write_text(job, "utf-8")
        self.files.mkdir(exist_ok=True)
        self.work.mkdir(exist_ok=True)

    def require_space(self, need_bytes: int) -> None:
        """Refuse early what the disk cannot hold.

        Raises:
            PullFailed: with the bytes needed and free.
        """
        self.need_bytes = need_bytes
        if need_bytes + _MARGIN_BYTES > self._free(self.folder):
            raise self.no_space()

    def no_space(self) -> PullFailed:
        """Say that the disk is full, with the bytes needed and free."""
        return PullFailed(
            f"{self.name} needs {self.need_bytes} bytes more in {self.models_dir}, "
            f"{self._free(self.models_dir)} are free ({_MARGIN_BYTES} stay in reserve)",
            "free some space, or point 'models' in config.yaml to a larger disk",
        )

    def place(self, body: Path, target: Path, replaced: Path | None) -> None:
        """Move the whole ``body`` to ``target``, durably; ``replaced`` goes."""
        sync_tree(body)
        target.parent.mkdir(parents=True, exist_ok=True)
        if replaced:
            self._old.mkdir()
            replaced.rename(self._old / replaced.name)
        body.rename(target)
        sync_folder(target.parent)
        self.discard()

    def recover(self, *, is_placed: bool) -> None:
        """Clean up after a replacement that was killed between its two renames.

        ``is_placed``: a body of the name is in ``models/``; where not, the old one goes back.
        """
        if not self._old.is_dir():
            return
        if not is_placed:
            for old in self._old.iterdir():
                old.rename((self.models_dir / self.name).parent / old.name)
        _remove(self._old)

    def discard(self) -> None:
        """Remove everything; there is nothing left to resume."""
        _remove(self.folder)


@contextmanager
def open_stage(
    models_dir: Path, name: str, free: FreeBytes, on_wait: Callable[[], None]
) -> Iterator[Stage]:
    """Hold the stage of ``name``; where another pull holds it, tell ``on_wait`` and wait.

    Raises:
        PullFailed: the disk is full, or a file cannot be read or written.
    """
    stage = Stage(models_dir, name, free)
    try:
        stage.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(stage.folder.with_name(f"{stage.folder.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
        try:
            yield stage
        finally:
            lock.release()
    except BrokenPipeError:  # whoever watches the progress is gone: no fault of the disk
        raise
    except OSError as e:
        if e.errno in _NO_SPACE:
            raise stage.no_space() from e
        raise PullFailed(f"{e.filename or models_dir}: {e.strerror or e}") from e


def sync_tree(path: Path) -> None:
    """Flush a file, or a folder with everything in it, to the disk."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
    for folder in [path, *path.rglob("*")]:
        if folder.is_dir():
            sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk (Windows has no such call and needs none)."""
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove(folder: Path) -> None:
    """Remove a folder if it is there; links in it go, what they point to stays."""
    if folder.is_dir():
        shutil.rmtree(folder)
