"""Write souls on a thread of their own: a sync to disk must not hold up a reply."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from sould.errors import SouldError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Written:
    """A write ended; ``then`` is to be called with what it returned or raised."""

    then: Callable[[Any], None]
    outcome: Any


class Writer:
    """Carries out writes one after the other, in order. They touch no tensor.

    ``notify`` is called on the writer's thread and hands the news to the main one.
    """

    def __init__(self, notify: Callable[[Written], None]) -> None:
        self._notify = notify
        self._work: SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]]] = SimpleQueue()
        threading.Thread(target=self._run, name="soul-writer", daemon=True).start()

    def submit(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do ``work`` after all before it; ``then`` runs on the main thread afterwards."""
        self._work.put((work, then))

    def flush(self) -> None:
        """Wait until all work is done; the news of it still comes later."""
        done = threading.Event()
        self._work.put((done.set, lambda outcome: None))
        done.wait()

    def _run(self) -> None:
        while True:
            work, then = self._work.get()
            try:
                outcome: Any = work()
            except SouldError as e:
                outcome = e
            except Exception as e:
                log.exception("writing a soul failed")
                outcome = SouldError(f"a soul could not be written: {type(e).__name__}")
            self._notify(Written(then, outcome))
