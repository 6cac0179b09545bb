"""What a soul is reborn from: all it was told, read from the diary, and cut into nights."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Sequence
from itertools import count, groupby
from typing import TypeVar

from msgspec import Struct

from sould.soulfile.limits import MAX_NAME_BYTES, MAX_NAME_CHARS
from sould.supervisor.diary import Diary, instant
from sould.supervisor.shelf import SoulState
from sould.supervisor.waiting import is_untaught, teaches

T = TypeVar("T")

MOST_A_NIGHT = 24
"""Records that are new; those gone over again come beside them."""
FEW = 8
"""Days on which less was said are gone over in one night."""
LONGEST_ENDING = 24  # characters of a name


class Said(Struct, frozen=True, kw_only=True):
    """A record by its id. ``day``: the local date it was said on. ``is_taught``: it taught the
    old soul.
    """

    id: str
    moment: float
    day: str
    is_taught: bool


class Life(Struct, frozen=True, kw_only=True):
    """``said``: all that taught a soul, and what waits for it, oldest first; ``gone``: how much
    more taught it, and is not in the diary any more.
    """

    said: list[Said]
    gone: int


def find_life(diary: Diary, soul: str, state: SoulState) -> Life:
    """Read what a soul was told, and is to be told, without the texts. Blocking.

    What documents say that it was not taught yet is left to the nights that the reborn one has.
    """
    replaced = diary.replaced() - state.taught
    known = (state.taught | state.again) - replaced
    said = {
        record.id: Said(
            id=record.id,
            moment=instant(record.ts),
            day=record.ts[:10],
            is_taught=record.id in state.taught,
        )
        for path in reversed(diary.files())
        for record in diary.read(path)
        if (teaches(record) and record.id in known)
        or (
            record.role != "document"
            and record.id not in replaced
            and is_untaught(record, soul, state.since, state.taught)
        )
    }
    in_order = sorted(said.values(), key=lambda one: (one.day, one.moment))
    return Life(said=in_order, gone=len(known - said.keys()))


def nights_of(said: Sequence[Said]) -> list[list[Said]]:
    """Cut a life into nights: one for each day, several evenly for a long one; short ones are
    taken together. Pure.
    """
    nights: list[list[Said]] = []
    for _, records in groupby(said, key=lambda one: one.day):
        day = list(records)
        if nights and len(nights[-1]) < FEW and len(nights[-1]) + len(day) <= MOST_A_NIGHT:
            nights[-1] += day
            continue
        size = math.ceil(len(day) / math.ceil(len(day) / MOST_A_NIGHT))
        nights += [day[start : start + size] for start in range(0, len(day), size)]
    return nights


def evenly(items: Sequence[T], most: int) -> list[T]:
    """Return ``most`` items at most, taken evenly, the first one among them. Pure."""
    number = min(most, len(items))
    return [items[n * len(items) // number] for n in range(number)]


def free_name(name: str, ending: str, taken: Collection[str]) -> str:
    """Return ``NAME-ENDING`` as a soul may be called, with a number if it is taken. Pure."""
    word = unicodedata.normalize("NFC", ending.rpartition("/")[2])
    word = "".join(c if c in "._-" or unicodedata.category(c)[0] in "LMN" else "-" for c in word)
    word = word[:LONGEST_ENDING].rstrip(".-")
    folded = {one.casefold() for one in taken}
    for number in count(1):
        tail = f"-{word}-{number}" if number > 1 else f"-{word}"
        head = name
        while len(head + tail) > MAX_NAME_CHARS or len((head + tail).encode()) > MAX_NAME_BYTES:
            head = head[:-1]
        if (head + tail).casefold() not in folded:
            return head + tail
    raise AssertionError("numbers do not end")
