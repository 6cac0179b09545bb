"""Take turns: many requests share the one thread that may touch the body.

A job is a generator that does one small piece of work between two yields; what it yields
is told to the asker, what it returns is the result. Jobs run round-robin, at most
``parallel`` at a time; the rest wait in the order they came. An exclusive job (loading a
body) runs alone: it waits for those before it and holds up those behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

from msgspec import Struct

Job: TypeAlias = Generator[Struct | None, None, Struct]


@dataclass(frozen=True)
class Told:
    """A job said something on its way."""

    id: str
    message: Struct


@dataclass(frozen=True)
class Finished:
    """A job came to its end."""

    id: str
    result: Struct


@dataclass(frozen=True)
class Failed:
    """A job raised."""

    id: str
    error: Exception


Outcome: TypeAlias = Told | Finished | Failed


@dataclass(frozen=True)
class _Entry:
    id: str
    job: Job
    is_exclusive: bool
    should_stop: Callable[[], bool]


class Scheduler:
    """Round-robin over generator jobs. Holds no lock: one thread calls it."""

    def __init__(self, parallel: int) -> None:
        self._parallel = parallel
        self._running: deque[_Entry] = deque()
        self._waiting: deque[_Entry] = deque()

    @property
    def is_idle(self) -> bool:
        """Nothing runs; then nothing waits either."""
        return not self._running

    def allow(self, parallel: int) -> None:
        """Let ``parallel`` jobs run at a time from now on; those running already go on."""
        self._parallel = parallel
        self._admit()

    def submit(
        self,
        id_: str,
        job: Job,
        *,
        is_exclusive: bool = False,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Add a job.

        A waiting job that ``should_stop`` runs at once, out of turn and over the limit: it is
        expected to look for itself before it does any work, and to end.
        """
        self._waiting.append(_Entry(id_, job, is_exclusive, should_stop))
        self._admit()

    def step(self) -> Outcome | None:
        """Run the next job up to its next yield; None if it had nothing to say."""
        self._admit()
        if not self._running:
            return None
        entry = self._running.popleft()
        try:
            message = next(entry.job)
        except StopIteration as end:
            self._admit()
            return Finished(entry.id, end.value)
        except Exception as error:
            self._admit()
            return Failed(entry.id, error)
        self._running.append(entry)
        return Told(entry.id, message) if message is not None else None

    def _admit(self) -> None:
        for entry in [e for e in self._waiting if e.should_stop()]:
            self._waiting.remove(entry)
            self._running.appendleft(entry)
        while self._waiting and self._has_room_for(self._waiting[0]):
            self._running.append(self._waiting.popleft())

    def _has_room_for(self, entry: _Entry) -> bool:
        if entry.is_exclusive:
            return not self._running
        return len(self._running) < self._parallel and not any(
            e.is_exclusive for e in self._running
        )
