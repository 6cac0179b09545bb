"""What a night of a soul may go over: what waits, and what was imported, oldest first."""

from __future__ import annotations

from collections.abc import Set

from msgspec import Struct

from sould.bridge import Told
from sould.supervisor.diary import Diary, Record, instant
from sould.supervisor.waiting import day_before, is_untaught


class Untaught(Struct, frozen=True, kw_only=True):
    """``records``: oldest first; ``left``: how many more were imported, for later nights."""

    records: list[Told]
    left: int


def find_untaught(diary: Diary, soul: str, since: str, taught: Set[str], most: int) -> Untaught:
    """Read what a night of a soul may go over and that is not in it yet. Blocking.

    At most ``most`` records: what waits (as ``find_waiting`` has it) comes first, the oldest of
    it; the room that is left is for the oldest of what was imported. Memory does not grow with
    the diary, time does, linearly. What a night has gone over must be in ``taught`` afterwards,
    facts or none, or the next night is given it again.
    """
    waiting: list[Record] = []
    imported: list[Record] = []
    left = 0
    first_day = day_before(since)
    for path in reversed(diary.files()):
        by_id = {r.id: r for r in diary.read(path) if is_untaught(r, soul, since, taught)}
        for record in sorted(by_id.values(), key=_moment):
            if not record.imported:
                if path.stem >= first_day and len(waiting) < most:
                    waiting.append(record)
            elif len(imported) < most:
                imported.append(record)
            else:
                left += 1
    room = most - len(waiting)
    records = sorted([*imported[:room], *waiting], key=_moment)
    return Untaught(
        records=[Told(id=record.id, text=record.text) for record in records],
        left=left + len(imported[room:]),
    )


def _moment(record: Record) -> float:
    return instant(record.ts)
