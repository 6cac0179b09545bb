"""The system's notices of what happens in folders, passed on to the loop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

log = logging.getLogger(__name__)

Notice = Literal["written", "left"]
"""A file is being written to; or it was closed, moved or removed."""
OnNotice = Callable[[str, Notice], None]

_WRITTEN = ("created", "modified")
_LEFT = ("closed", "moved", "deleted")


class Notices:
    """One observer for all folders. Where the system has no notices for one, that is logged, and
    who wants to know looks again and again.
    """

    def __init__(self, new_observer: Callable[[], BaseObserver] | None = None) -> None:
        self._new_observer = new_observer or _native
        self._loop = asyncio.get_running_loop()
        self._observer: Any = None

    def watch(self, folder: Path, on_notice: OnNotice, *, recursive: bool) -> bool:
        """Have ``on_notice`` called in the loop for what happens to the files of a folder; tell
        whether it will be. Blocking. Hidden files are left out, and what only reads.
        """
        try:
            if self._observer is None:
                observer = self._new_observer()
                observer.start()
                self._observer = observer
            real = folder.resolve()  # a link itself never changes
            handler = _handler(self._loop, real, folder, on_notice)
            self._observer.schedule(handler, str(real), recursive=recursive)
        except OSError as e:  # inotify has limits per user, and the folder may not be there
            log.warning("no notices of %s: %s; it is looked at again and again", folder, e)
            return False
        return True

    def close(self) -> None:
        """Stop watching. Blocking."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()


def notice_of(event_type: str, src: str, dest: str, folder: str) -> list[tuple[str, Notice]]:
    """Return what an event of watchdog means for the files of a folder. Pure."""
    paths: list[tuple[str, Notice]] = []
    if event_type in _WRITTEN:
        paths = [(src, "written")]
    elif event_type in _LEFT:
        paths = [(path, "left") for path in (src, dest) if path]
    return [(path, notice) for path, notice in paths if not _is_hidden(path, folder)]


def _is_hidden(path: str, folder: str) -> bool:
    """Tell whether a path is in no part of a folder that anybody looks at."""
    return any(part.startswith(".") for part in Path(path.removeprefix(folder)).parts)


def _handler(loop: asyncio.AbstractEventLoop, real: Path, folder: Path, on_notice: OnNotice) -> Any:
    """Return what watchdog calls for ``real``, which is called ``folder`` here."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    top = str(real)

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            """Called on watchdog's thread."""
            src, dest = os.fsdecode(event.src_path), os.fsdecode(event.dest_path)
            for path, notice in notice_of(event.event_type, src, dest, top):
                called = str(folder) + path.removeprefix(top)
                # A folder is never closed: it is not one that is open for long.
                told: Notice = "left" if event.is_directory else notice
                loop.call_soon_threadsafe(on_notice, called, told)

    return Handler()


def _native() -> BaseObserver:
    from watchdog.observers import Observer

    return Observer()
