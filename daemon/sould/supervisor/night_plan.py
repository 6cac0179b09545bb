"""What a night goes over: what is new, and what was learned before and is due again.

Learned facts come back after 1, 2, 4, 8 and 16 nights, and then every 16; one that was not
recalled in the last exam comes back at once. All of it follows from the diary and the reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import NamedTuple

from msgspec import Struct

from soul_client.wire import SleepReport
from sould.bridge import Sleep, Told
from sould.errors import TooLarge
from sould.supervisor.diary import Diary, Record, instant
from sould.supervisor.untaught import find_untaught

MOST_RECORDS = 256
LONGEST_REST = 16  # nights


class Past(Struct, kw_only=True):
    """What the nights before tell of one record. ``times``: it was learned in. ``since``: how many
    nights ago that was last, tonight being counted.
    """

    times: int = 0
    since: int = 0
    is_recalled: bool = False

    @property
    def is_due(self) -> bool:
        """Tell whether it is to be learned tonight."""
        rest = min(LONGEST_REST, 2 ** max(0, self.times - 1))
        return not self.is_recalled or self.since >= rest


def past_of(reports: Sequence[SleepReport]) -> dict[str, Past]:
    """Return what is known of every record, from the kept nights of a soul, oldest first. Pure."""
    found: dict[str, Past] = {}
    for night in reports:
        for past in found.values():
            past.since += 1
        for fact in night.facts:
            past = found.setdefault(fact.id, Past())
            past.is_recalled = fact.after or bool(fact.replaced_by)
            if not fact.resting:
                past.times, past.since = past.times + 1, 0
    for past in found.values():
        past.since += 1
    return found


def plan_night(
    diary: Diary,
    soul: str,
    *,
    since: str,
    taught: Set[str],
    waiting: Sequence[Told],
    reports: Iterable[SleepReport],
) -> tuple[Sleep, int]:
    """Return what tonight goes over, oldest first, ``MOST_RECORDS`` at most; and how many records
    that were imported are left to later nights. Blocking.

    ``since``: when the soul began to listen. ``taught``: ids in its weights. ``waiting``: not yet
    in them. ``reports``: of all nights, the newest first. Turns that tell nothing are in it for
    the user's own way of talking, those since the last night.

    Raises:
        TooLarge: more was learned since the last night than this one can go over; it would be lost.
    """
    untaught = find_untaught(diary, soul, since, taught, MOST_RECORDS)
    wanted = {one.id for one in [*waiting, *untaught.records]}
    order, left = order_night(diary, soul, wanted=wanted, taught=taught, reports=reports)
    return order, untaught.left + left


def order_night(
    diary: Diary, soul: str, *, wanted: Set[str], taught: Set[str], reports: Iterable[SleepReport]
) -> tuple[Sleep, int]:
    """Return a night over what is ``wanted`` and not taught yet, and over what of ``taught`` is due
    or has room to rest; and how much of the wanted has no room. Blocking.

    Raises:
        TooLarge: as :func:`plan_night`.
    """
    every = list(reports)
    kept = [one for one in reversed(every) if one.soul == soul and one.outcome == "kept"]
    past, last = past_of(kept), instant(kept[-1].began) if kept else 0.0
    records = [_Said(r.id, r.ts) for r in _told_by_user(diary) if r.id in wanted or r.id in taught]
    fresh = [r for r in records if r.id in taught and r.id not in past and instant(r.ts) >= last]
    if len(fresh) > MOST_RECORDS:
        raise TooLarge(
            f"soul '{soul}' was taught {len(fresh)} things since its last night, and a night can "
            f"go over {MOST_RECORDS}: what it did not dream of would be lost"
        )
    new = [r for r in records if r.id not in taught]
    old = [r for r in records if r.id in taught and r.id in past]
    due, resting = (
        [r for r in reversed(old) if past[r.id].is_due is wanted] for wanted in (True, False)
    )
    chosen = {r.id for r in [*fresh, *new, *due, *resting][:MOST_RECORDS]}
    texts = diary.texts(chosen)
    order = Sleep(
        records=[Told(id=r.id, text=texts[r.id]) for r in records if r.id in texts],
        seed=len(every),
        nights={r.id: past[r.id].times for r in old if r.id in chosen},
        resting=[r.id for r in resting if r.id in chosen],
    )
    return order, sum(r.id not in chosen for r in new)


class _Said(NamedTuple):
    """A record without its text, which a whole diary would be too much of."""

    id: str
    ts: str


def _told_by_user(diary: Diary) -> Iterator[Record]:
    for path in reversed(diary.files()):
        for record in diary.read(path):
            if record.role == "user" and record.learn:
                yield record
