"""What is read from a chat log, whatever program wrote it, and a tally of what is left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Literal

from msgspec import Struct

from soul_client.wire import Skipped, SkipReason

MOST_PLACES = 5


class Message(Struct, frozen=True, kw_only=True):
    """Somebody said something.

    ``place``: the line or, in an export, the conversation it stands in, from 1.
    ``conversation`` tells conversations of one file apart. ``time``: RFC 3339, without an
    offset where the log has none, "" if it is not known. ``id`` and ``soul``: of a record of
    our own diary.
    """

    place: int
    conversation: str
    role: Literal["user", "assistant"]
    text: str
    time: str = ""
    learn: bool = True
    id: str = ""
    soul: str = ""


class Tally:
    """Counts the conversations that were read and what was left out, and remembers where."""

    def __init__(self) -> None:
        self.conversations = 0
        self._counts: Counter[SkipReason] = Counter()
        self._places: dict[SkipReason, list[int]] = defaultdict(list)

    def skip(self, why: SkipReason, place: int) -> None:
        """Count one that is left out; ``place``: see :class:`Message`."""
        self._counts[why] += 1
        places = self._places[why]
        if len(places) < MOST_PLACES and place not in places:
            places.append(place)

    def skipped(self) -> list[Skipped]:
        """Return what was left out, by reason."""
        return [
            Skipped(why=why, count=count, places=self._places[why])
            for why, count in sorted(self._counts.items())
        ]
