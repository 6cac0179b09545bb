"""Which bodies of ``models/`` are whole, decided from one look after the other. Pure: looks and
times come in, changes and the time of the next look go out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from soul_client.wire import BodyEntry
from sould.bodystore.sighting import OPEN_S, Sighting, Stamp

SETTLE_S = 0.3
"""How long a body must have been left alone to be whole; also how long one must be gone."""
POLLED_SETTLE_S = 2.0
"""The same where there are no notices: disks far away are slow, and do not say who writes."""

Kind = Literal["added", "changed", "renamed", "removed"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of a body; ``was``: its former name, if it was renamed."""

    kind: Kind
    name: str
    was: str = ""


class Registry:
    """The bodies that are known. One that is being written stays as it was known before."""

    def __init__(self, settle_s: float = SETTLE_S) -> None:
        self.settle_s = settle_s
        self._known: dict[str, Sighting] = {}
        self._seen: Mapping[str, Sighting] = {}
        self._unsettled: dict[str, tuple[Stamp | None, float]] = {}
        self._vouched: set[str] = set()

    @property
    def bodies(self) -> list[BodyEntry]:
        """Return what is whole and was there at the last look, by name."""
        entries = [one.entry for name, one in self._known.items() if name in self._seen]
        return sorted(entries, key=lambda entry: (entry.name.casefold(), entry.name))

    def whole(self, name: str) -> Sighting | None:
        """Return a body if it is known, and what lies there now is what is known."""
        known, seen = self._known.get(name), self._seen.get(name)
        return known if known and seen and known.stamp == seen.stamp else None

    def vouch(self, name: str) -> None:
        """Take what is seen of a body at the next look as whole: who wrote it says so."""
        self._vouched.add(name)

    def handle(
        self, seen: Mapping[str, Sighting], *, now_s: float, wall_s: float
    ) -> tuple[list[Change], float | None]:
        """Return what has changed since the last look, and in how many seconds to look again, if
        that is worth while.

        ``now_s``: of a clock that only goes forward; ``wall_s``: of the one files are stamped by.
        """
        self._seen = seen
        changes, waits_s = self._renamed(seen), []
        for name in sorted(self._known.keys() | seen.keys()):
            known, here = self._known.get(name), seen.get(name)
            if known is not None and here is not None and known.stamp == here.stamp:
                self._known[name] = here
                self._unsettled.pop(name, None)
            elif (wait_s := self._wait_s(name, here, now_s, wall_s)) > 0:
                waits_s.append(wait_s)
            else:
                changes.append(self._settle(name, here))
        self._vouched.clear()
        for name in self._unsettled.keys() - self._known.keys() - seen.keys():
            del self._unsettled[name]
        next_s = min(waits_s, default=math.inf)
        return changes, None if math.isinf(next_s) else next_s

    def _renamed(self, seen: Mapping[str, Sighting]) -> list[Change]:
        """Give what is known under another name that one."""
        gone = {self._known[name].stamp: name for name in self._known.keys() - seen.keys()}
        changes = []
        for name in sorted(seen.keys() - self._known.keys()):
            if (was := gone.pop(seen[name].stamp, None)) is not None:
                del self._known[was]
                self._known[name] = seen[name]
                changes.append(Change(kind="renamed", name=name, was=was))
        return changes

    def _wait_s(self, name: str, here: Sighting | None, now_s: float, wall_s: float) -> float:
        """Return for how long what is seen of a body must not change before it counts."""
        stamp = here.stamp if here else None
        former, since_s = self._unsettled.get(name, (None, now_s))
        if name not in self._unsettled or former != stamp:
            since_s = now_s
        self._unsettled[name] = stamp, since_s
        still_s = now_s - since_s
        if here is None:
            return self.settle_s - still_s
        if name in self._vouched:
            return 0.0
        if here.is_partial:
            return math.inf
        if wall_s >= here.written_s:  # else the clocks differ, and only what was seen counts
            still_s = max(still_s, wall_s - here.written_s)
        if here.is_open:
            return OPEN_S - still_s
        return (POLLED_SETTLE_S if here.is_linked else self.settle_s) - still_s

    def _settle(self, name: str, here: Sighting | None) -> Change:
        del self._unsettled[name]
        if here is None:
            del self._known[name]
            return Change(kind="removed", name=name)
        kind: Kind = "changed" if name in self._known else "added"
        self._known[name] = here
        return Change(kind=kind, name=name)
