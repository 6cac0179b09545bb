"""Who is served next: round-robin between clients. Pure: no clock, no tasks.

Rules, in this order:

- at most ``parallel`` keys run, and where ``parallel`` > 1 one client never holds all the
  slots, so that a first request of somebody else begins at once;
- clients take turns; the keys of one client start in the order they came;
- keys of one ``lane`` (a session) run one after the other, whoever asked; a key that
  waits for its lane lets the client's next one pass;
- an ``exclusive`` key runs alone, and once it is its turn nobody passes it.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import count
from typing import Generic, TypeVar

from msgspec import Struct

K = TypeVar("K", bound=Hashable)


class Entry(Struct, Generic[K], frozen=True):
    """One waiting or running key. ``number`` is the order of arrival."""

    key: K
    client: bytes
    lane: str
    exclusive: bool
    number: int


class FairQueue(Generic[K]):
    """Waiting and running keys."""

    def __init__(self, parallel: int) -> None:
        self._parallel = parallel
        self._per_client = max(1, parallel - 1)
        self._numbers = count()
        self._waiting: dict[bytes, dict[K, Entry[K]]] = {}  # clients in the order of their turns
        self._running: dict[K, Entry[K]] = {}

    @property
    def waiting(self) -> int:
        """How many keys wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def running(self) -> int:
        """How many keys run."""
        return len(self._running)

    def add(self, key: K, client: bytes, lane: str = "", *, exclusive: bool = False) -> None:
        """Let a new key wait; ``take`` says whether it begins. An empty lane is nobody's."""
        entry = Entry(key, client, lane, exclusive, next(self._numbers))
        self._waiting.setdefault(client, {})[key] = entry

    def take(self) -> list[K]:
        """Start every key that may start now, and return them."""
        started = []
        while (entry := self._next()) is not None:
            self._withdraw(entry)
            if entry.client in self._waiting:  # its next turn comes after everybody else's
                self._waiting[entry.client] = self._waiting.pop(entry.client)
            self._running[entry.key] = entry
            started.append(entry.key)
        return started

    def finish(self, key: K) -> None:
        """Remove a key, running or waiting; an unknown one is no error."""
        if self._running.pop(key, None) is None:
            for entries in self._waiting.values():
                if key in entries:
                    self._withdraw(entries[key])
                    return

    def positions(self) -> dict[K, int]:
        """Return for every waiting key how many run or wait before it, as turns go now."""
        turns = [list(entries) for entries in self._waiting.values()]
        order = [
            keys[round_]
            for round_ in range(max(map(len, turns), default=0))
            for keys in turns
            if round_ < len(keys)
        ]
        return {key: len(self._running) + index for index, key in enumerate(order)}

    def _next(self) -> Entry[K] | None:
        running = self._running.values()
        if len(running) >= self._parallel or any(entry.exclusive for entry in running):
            return None
        first_in_lane = self._first_in_lanes()
        for client, entries in self._waiting.items():
            is_full = sum(entry.client == client for entry in running) >= self._per_client
            for entry in entries.values():
                is_its_turn = not entry.lane or first_in_lane[entry.lane] == entry.number
                if entry.exclusive and is_its_turn:
                    return None if running else entry
                if is_full:
                    break
                if is_its_turn:
                    return entry
        return None

    def _first_in_lanes(self) -> dict[str, int]:
        """Return the number of the oldest key of each lane, the running one included."""
        first: dict[str, int] = {}
        groups = [self._running, *self._waiting.values()]
        for entry in (entry for group in groups for entry in group.values()):
            first[entry.lane] = min(entry.number, first.get(entry.lane, entry.number))
        return first

    def _withdraw(self, entry: Entry[K]) -> None:
        entries = self._waiting[entry.client]
        del entries[entry.key]
        if not entries:
            del self._waiting[entry.client]
