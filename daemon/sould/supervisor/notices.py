"""The system's notices of what happens in folders, passed on to the loop."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

log = logging.getLogger(__name__)

OnNotice = Callable[[str], None]
"""Gets the path."""


class Notices:
    """One observer for all folders. Where the system has no notices for one, that is logged, and
    who wants to know looks again and again.
    """

    def __init__(self, new_observer: Callable[[], BaseObserver] | None = None) -> None:
        self._new_observer = new_observer or _native
        self._loop = asyncio.get_running_loop()
        self._observer: Any = None

    def watch(self, folder: Path, on_notice: OnNotice, *, recursive: bool) -> bool:
        """Have ``on_notice`` called in the loop for what is written, closed, moved or removed in a
        folder, and tell whether it will be. Blocking. Hidden files are left out.
        """
        try:
            if self._observer is None:
                observer = self._new_observer()
                observer.start()
                self._observer = observer
            real = folder.resolve()  # a link itself never changes
            handler = _handler(self._loop, real, folder, on_notice)
            self._observer.schedule(
                handler, str(real), recursive=recursive, event_filter=_changes()
            )
        except OSError as e:  # inotify has limits per user, and the folder may not be there
            log.warning("no notices of %s: %s; it is looked at again and again", folder, e)
            return False
        return True

    def close(self) -> None:
        """Stop watching. Blocking."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()


def is_hidden(below: str) -> bool:
    """Tell whether a path below a folder is in no part of it that anybody looks at. Pure."""
    return any(part.startswith(".") for part in Path(below).parts)


def _handler(loop: asyncio.AbstractEventLoop, real: Path, folder: Path, on_notice: OnNotice) -> Any:
    """Return what watchdog calls for ``real``, which is called ``folder`` here."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            """Called on watchdog's thread."""
            for path in (os.fsdecode(event.src_path), os.fsdecode(event.dest_path)):
                if path and not is_hidden(below := path.removeprefix(str(real))):
                    loop.call_soon_threadsafe(on_notice, f"{folder}{below}")

    return Handler()


def _changes() -> list[Any]:
    """Return the events that tell of changes; we read a lot ourselves."""
    from watchdog import events

    return [
        *(events.FileCreatedEvent, events.FileModifiedEvent, events.FileClosedEvent),
        *(events.FileMovedEvent, events.FileDeletedEvent),
        *(events.DirCreatedEvent, events.DirMovedEvent, events.DirDeletedEvent),
    ]


def _native() -> BaseObserver:
    from watchdog.observers import Observer

    return Observer()
