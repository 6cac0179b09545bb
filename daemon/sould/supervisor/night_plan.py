"""What a night goes over: what is new, and what was learned before and is due again.

Learned facts come back after 1, 2, 4, 8 and 16 nights, and then every 16; one that was not
recalled in the last exam comes back at once. All of it follows from the diary and the reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import datetime

import msgspec
from msgspec import Struct

from soul_client.wire import SleepReport
from sould.bridge import Sleep, Told
from sould.supervisor.diary import Diary, instant
from sould.supervisor.untaught import find_untaught

MOST_RECORDS = 256
LONGEST_REST = 16  # nights
ANOTHER_DAY_S = 6 * 3600.0  # after a night, what was due in it is not due again so soon


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
        return self.overdue >= 0

    @property
    def overdue(self) -> int:
        """How many nights ago it was to be learned; of what was not recalled, all of them."""
        if not self.is_recalled:
            return self.since
        return self.since - int(min(LONGEST_REST, 2 ** max(0, self.times - 1)))


def past_of(reports: Sequence[SleepReport]) -> dict[str, Past]:
    """Return what is known of every record, from the kept nights of a soul, oldest first. Pure."""
    found: dict[str, Past] = {}
    for night in reports:
        for past in found.values():
            past.since += 1
        for id_ in night.telling_nothing:
            found[id_] = Past(is_recalled=True)
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
    now: datetime,
    passed_over: Set[str] = frozenset(),
) -> tuple[Sleep, int]:
    """Return what tonight goes over, oldest first, ``MOST_RECORDS`` at most; and how many records
    are left to later nights. Blocking.

    ``passed_over``: ids of what was found to tell nothing.

    ``since``: when the soul began to listen. ``taught``: ids in its weights. ``waiting``: not yet
    in them. ``reports``: of all nights, the newest first. Turns that tell nothing are in it for
    the user's own way of talking, once.
    """
    untaught = find_untaught(diary, soul, since, taught | passed_over, MOST_RECORDS)
    wanted = {one.id for one in [*waiting, *untaught.records]} - passed_over
    order, left = order_night(diary, soul, wanted=wanted, taught=taught, reports=reports, now=now)
    return msgspec.structs.replace(order, is_all=order.is_all and not untaught.left), (
        untaught.left + left
    )


def order_night(
    diary: Diary,
    soul: str,
    *,
    wanted: Set[str],
    taught: Set[str],
    reports: Iterable[SleepReport],
    now: datetime,
) -> tuple[Sleep, int]:
    """Return a night over what is ``wanted`` and not taught yet, over what no night went over, and
    over what of ``taught`` is due or has room to rest; and how much of the first two has no room.

    What is due has half of the room, if it needs so much. Blocking.
    """
    nights = list(reports)
    kept = [one for one in reversed(nights) if one.soul == soul and one.outcome == "kept"]
    past = past_of(kept)
    ids = _said(diary, taught | wanted)
    fresh = [id_ for id_ in ids if id_ in taught and id_ not in past]
    new = [*fresh, *(id_ for id_ in ids if id_ not in taught)]
    learned = [id_ for id_ in ids if id_ in taught and id_ in past and past[id_].times]
    due = [id_ for id_ in learned if past[id_].is_due]
    due.sort(key=lambda id_: past[id_].overdue, reverse=True)
    resting = [id_ for id_ in reversed(learned) if not past[id_].is_due]
    room = max(MOST_RECORDS - len(due), MOST_RECORDS // 2)
    every_one = [*new[:room], *due, *resting]
    chosen = set(every_one[:MOST_RECORDS])
    texts = diary.texts(chosen)
    is_another_day = not kept or now.timestamp() - instant(kept[-1].began) >= ANOTHER_DAY_S
    order = Sleep(
        records=[Told(id=id_, text=texts[id_]) for id_ in ids if id_ in texts],
        seed=len(nights),
        nights={id_: past[id_].times for id_ in learned if id_ in chosen},
        resting=[id_ for id_ in resting if id_ in chosen],
        is_due=bool(due) and is_another_day,
        is_all=len(chosen) == len(new) + len(learned),
    )
    return order, len(new[room:])


def _said(diary: Diary, wanted: Set[str]) -> list[str]:
    """Return the ids of what users said, of those wanted, each once, in the order of the diary."""
    found = (
        record.id
        for path in reversed(diary.files())
        for record in diary.read(path)
        if record.role == "user" and record.learn and record.id in wanted
    )
    return list(dict.fromkeys(found))
