"""How far long requests are, told to everybody who subscribed and not only to who asked."""

from __future__ import annotations

import asyncio

import msgspec

from soul_client.wire import Progress
from sould.supervisor.events import Events

METHODS = frozenset(
    {
        *("body.load", "diary.feed", "diary.import"),
        *("soul.forget", "soul.reincarnate", "soul.sleep"),
    }
)
EVERY_S = 0.1


class ProgressEvents:
    """Publishes the progress of each request at once, or what is newest when ``EVERY_S`` have
    passed since it did. Nothing comes after the end of a request.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._told_at: dict[str, float] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}

    def tell(self, id_: str, method: str, progress: Progress) -> None:
        """Take the progress of a request."""
        if method not in METHODS:
            return
        if later := self._later.pop(id_, None):
            later.cancel()
        due = self._told_at.get(id_, 0.0) + EVERY_S
        if due <= self._loop.time():
            self._publish(id_, method, progress)
        else:
            self._later[id_] = self._loop.call_at(due, self._publish, id_, method, progress)

    def end(self, id_: str) -> None:
        """Tell no more of a request."""
        self._told_at.pop(id_, None)
        if later := self._later.pop(id_, None):
            later.cancel()

    def _publish(self, id_: str, method: str, progress: Progress) -> None:
        self._later.pop(id_, None)
        self._told_at[id_] = self._loop.time()
        told = msgspec.to_builtins(progress)
        self._events.publish("progress", {"id": id_, "method": method, "progress": told})
