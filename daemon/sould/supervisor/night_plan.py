"""What a night goes over: what is new, and what was learned before and is due again.

Learned facts come back after 1, 2, 4, 8 and 16 nights, and then every 16; one that was not
recalled in the last exam comes back at once. All of it follows from the diary and the reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime

import msgspec
from msgspec import Struct

from soul_client.wire import SleepReport
from sould.bridge import Sleep, Told
from sould.supervisor.diary import Diary, instant
from sould.supervisor.untaught import find_untaught
from sould.supervisor.waiting import teaches, told_of

MOST_RECORDS = 256
MOST_STATEMENTS = 48
"""Of documents, of those records: as many as a night has steps to learn, beside the user's."""
LONGEST_REST = 16  # nights
ANOTHER_DAY_S = 6 * 3600.0  # after a night, what was due in it is not due again so soon


class Past(Struct, kw_only=True):
    """What the nights before tell of one record. ``times``: it was learned in. ``since``: how many
    nights ago that was last, tonight being counted. ``heir``: the id of what replaced it.
    """

    times: int = 0
    since: int = 0
    is_recalled: bool = False
    heir: str = ""

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
            past.is_recalled, past.heir = fact.after or bool(fact.replaced_by), fact.replaced_by
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
    again: Set[str] = frozenset(),
) -> tuple[Sleep, int]:
    """Return what tonight goes over, oldest first, ``MOST_RECORDS`` at most; and how many records
    are left to later nights. Blocking.

    ``passed_over``: ids of what was found to tell nothing.

    ``since``: when the soul began to listen. ``taught``: ids in its weights. ``waiting``: not yet
    in them. ``reports``: of all nights, the newest first. ``again``: statements to be learned
    again. Turns that tell nothing are in it for the user's own way of talking, once.
    """
    untaught = find_untaught(
        diary, soul, since, taught | passed_over, MOST_RECORDS, MOST_STATEMENTS, again
    )
    told = [*waiting, *untaught.records, *untaught.statements]
    wanted = {one.id for one in told} - passed_over
    known = taught - passed_over
    order, left = order_night(diary, soul, wanted=wanted, taught=known, reports=reports, now=now)
    return msgspec.structs.replace(order, is_all=order.is_all and not untaught.left), (
        untaught.left + untaught.statements_left + left
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

    What is due has half of the room, if it needs so much. Documents have the room that what the
    user said leaves when it is new or due, ``MOST_STATEMENTS`` at most. What was replaced by
    something that has no place tonight stays away with it: alone it would be learned as if it were
    true. Blocking.
    """
    nights = list(reports)
    kept = [one for one in reversed(nights) if one.soul == soul and one.outcome == "kept"]
    past = past_of(kept)
    ids, read = _recorded(diary, taught | wanted)
    tonight = _with_heirs(ids, read, taught, past)
    user, documents, chosen = tonight.user, tonight.documents, tonight.chosen
    found = diary.find(chosen)
    age_s = now.timestamp() - instant(kept[-1].began) if kept else ANOTHER_DAY_S
    is_another_day = age_s < 0 or age_s >= ANOTHER_DAY_S  # a clock that was set back says nothing
    order = Sleep(
        records=[told_of(found[id_]) for id_ in [*ids, *read] if id_ in found],
        seed=len(nights),
        nights={
            id_: past[id_].times for id_ in [*user.learned, *documents.learned] if id_ in chosen
        },
        resting=[id_ for id_ in [*user.resting, *documents.resting] if id_ in chosen],
        is_due=not chosen.isdisjoint([*user.due, *documents.due]) and is_another_day,
        is_all=len(tonight.said) == user.count,
    )
    return order, tonight.left


class _Course(Struct, frozen=True, kw_only=True):
    """Ids of what one kind of record has for a night: ``new``, ``due`` with what is overdue most
    first, and ``resting``, the newest first.
    """

    new: list[str]
    due: list[str]
    resting: list[str]

    @property
    def learned(self) -> list[str]:
        return [*self.due, *self.resting]

    @property
    def count(self) -> int:
        return len(self.new) + len(self.learned)

    def first(self, room: int) -> tuple[list[str], int]:
        """Return what is to be learned tonight, and how much of the new has no room."""
        for_new = max(room - len(self.due), room // 2)
        return [*self.new[:for_new], *self.due][:room], len(self.new[for_new:])


class _Tonight(Struct, frozen=True, kw_only=True):
    """What has a place: of what users ``said``, and of ``statements``. ``left``: of the new, how
    much has none.
    """

    user: _Course
    documents: _Course
    said: list[str]
    statements: list[str]
    left: int

    @property
    def chosen(self) -> set[str]:
        return {*self.said, *self.statements}


def _with_heirs(
    ids: Sequence[str], read: Sequence[str], taught: Set[str], past: Mapping[str, Past]
) -> _Tonight:
    """Give places, to nothing that was replaced by what is there and has none."""
    there, away = {*ids, *read}, set[str]()
    while True:
        some = ([id_ for id_ in part if id_ not in away] for part in (ids, read))
        tonight = _placed(*(_course_of(part, taught, past) for part in some))
        absent = there - tonight.chosen
        orphans = {id_ for id_ in tonight.chosen & past.keys() if past[id_].heir in absent}
        if not orphans:
            return tonight
        away |= orphans


def _placed(user: _Course, documents: _Course) -> _Tonight:
    first, left = user.first(MOST_RECORDS)
    room = min(MOST_STATEMENTS, MOST_RECORDS - len(first))
    statements, statements_left = documents.first(room)
    statements = [*statements, *documents.resting][:room]
    return _Tonight(
        user=user,
        documents=documents,
        said=[*first, *user.resting][: MOST_RECORDS - len(statements)],
        statements=statements,
        left=left + statements_left,
    )


def _course_of(ids: Sequence[str], taught: Set[str], past: Mapping[str, Past]) -> _Course:
    fresh = [id_ for id_ in ids if id_ in taught and id_ not in past]
    learned = [id_ for id_ in ids if id_ in taught and id_ in past and past[id_].times]
    due = [id_ for id_ in learned if past[id_].is_due]
    return _Course(
        new=[*fresh, *(id_ for id_ in ids if id_ not in taught)],
        due=sorted(due, key=lambda id_: past[id_].overdue, reverse=True),
        resting=[id_ for id_ in reversed(learned) if not past[id_].is_due],
    )


def _recorded(diary: Diary, wanted: Set[str]) -> tuple[list[str], list[str]]:
    """Return the ids of what users said, and of what documents say, of those wanted, each once,
    the oldest first: what was imported lies behind what was said later.
    """
    said: dict[str, float] = {}
    read: dict[str, float] = {}
    for path in reversed(diary.files()):
        for record in diary.read(path):
            if teaches(record) and record.id in wanted:
                of_its_kind = read if record.role == "document" else said
                of_its_kind[record.id] = instant(record.ts)
    return sorted(said, key=said.__getitem__), sorted(read, key=read.__getitem__)
