"""``workspace/stop_signal``: a file that stops things, for whoever can only write files.

Content: empty or ``all``, a request id, or ``sleep``, which wakes a soul. Removed once it is
obeyed.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

log = logging.getLogger(__name__)

NAME = "stop_signal"
SETTLE_S = 0.05
"""Time for a writer to finish: ``echo ID > stop_signal`` makes an empty file first."""
POLL_S = 0.5
"""How often to look where the system sends no notices."""
_MAX_BYTES = 256


class StopSignal:
    """Watches the workspace for the file; ``stop`` gets the target: "all", "sleep" or an id."""

    def __init__(
        self,
        workspace: Path,
        stop: Callable[[str], list[str]],
        observers: Callable[[], Iterator[BaseObserver]] | None = None,
    ) -> None:
        self._path = workspace / NAME
        self._stop = stop
        self._observers = observers or default_observers
        self._loop = asyncio.get_running_loop()
        self._due: asyncio.TimerHandle | None = None
        self._observer: Any = None

    def remove_stale(self) -> None:
        """Remove a file from before the start: what it meant to stop is over."""
        text = self._take()
        if text is not None:
            log.warning("stale %s removed; it said %r", self._path, text)

    def watch(self) -> None:
        """Begin to watch; call it on a thread, since importing watchdog takes a while."""
        from watchdog.events import FileSystemEvent, FileSystemEventHandler

        notice = self._on_file_event

        class Handler(FileSystemEventHandler):
            def on_any_event(self, event: FileSystemEvent) -> None:
                notice(event)

        for observer in self._observers():
            observer.schedule(Handler(), str(self._path.parent), recursive=False)
            try:
                observer.start()
            except OSError as e:  # inotify has limits per user
                log.warning("%s cannot be watched by %s: %s", NAME, type(observer).__name__, e)
                continue
            self._observer = observer
            # The file may have come before the watch began.
            self._loop.call_soon_threadsafe(self._notice)
            return
        log.error("%s is not watched, use 'soul stop'", self._path)

    def close(self) -> None:
        """Stop watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def _on_file_event(self, event: Any) -> None:
        """Called on watchdog's thread, for every file of the workspace."""
        paths = os.fsdecode(event.src_path), os.fsdecode(event.dest_path)
        if event.event_type != "deleted" and str(self._path) in paths:
            self._loop.call_soon_threadsafe(self._notice)

    def _notice(self) -> None:
        """Obey soon, when the file has been left alone for ``SETTLE_S``."""
        if self._due is not None:
            self._due.cancel()
        self._due = self._loop.call_later(SETTLE_S, self._obey)

    def _obey(self) -> None:
        text = self._take()
        if text is None:
            return
        target = text or "all"
        stopped = self._stop(target)
        log.info("%s obeyed: %s", NAME, ", ".join(stopped) or f"nothing to stop for {target!r}")

    def _take(self) -> str | None:
        """Read and remove the file; None if there is none."""
        try:
            with self._path.open("rb") as file:
                data = file.read(_MAX_BYTES)
            self._path.unlink()
        except FileNotFoundError:
            return None
        except OSError as e:
            log.error("%s cannot be read and removed: %s", self._path, e.strerror)
            return None
        return data.decode("utf-8", "replace").strip()


def default_observers() -> Iterator[BaseObserver]:
    """Yield ways to watch, the best first: notices of the system, then looking again and again."""
    from watchdog.observers import Observer

    try:
        observer = Observer()
    except OSError as e:  # so many a user may have, and no more
        log.warning("%s cannot be watched by notices of the system: %s", NAME, e)
    else:
        yield observer

    from watchdog.observers.polling import PollingObserver

    yield PollingObserver(timeout=POLL_S)
