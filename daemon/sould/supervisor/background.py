"""Tasks and futures that nobody may be waiting for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from sould.errors import SouldError

log = logging.getLogger(__name__)


class Background:
    """Keeps tasks alive until they end; asyncio alone holds them only weakly."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run ``work``; a failure is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(note_failure)

    def cancel(self) -> None:
        """Cancel all that still runs."""
        for task in self._tasks:
            task.cancel()


def note_failure(future: asyncio.Future[Any]) -> None:
    """Log an exception that perhaps nobody waits for; what we raise on purpose at DEBUG."""
    if future.cancelled() or (error := future.exception()) is None:
        return
    if isinstance(error, SouldError):
        log.debug("%s: %s", type(error).__name__, error.message)
    else:
        log.error("a background task failed", exc_info=error)
