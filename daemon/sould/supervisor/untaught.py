"""What a night of a soul may go over: what waits, what was imported, and what documents say."""

from __future__ import annotations

from collections.abc import Set

from msgspec import Struct

from sould.bridge import Told
from sould.supervisor.diary import Diary, Record, instant
from sould.supervisor.waiting import day_before, is_untaught, told_of


class Untaught(Struct, frozen=True, kw_only=True):
    """``records``: of the user, oldest first; ``left``: how many more were imported, for later
    nights. ``statements``: of documents, in the order they were fed; ``statements_left``: likewise.
    """

    records: list[Told]
    left: int
    statements: list[Told] = []
    statements_left: int = 0


def find_untaught(
    diary: Diary,
    soul: str,
    since: str,
    taught: Set[str],
    most: int,
    most_statements: int = 0,
    again: Set[str] = frozenset(),
) -> Untaught:
    """Read what a night of a soul may go over and that is not in it yet. Blocking.

    At most ``most`` records: what waits (as ``find_waiting`` has it) comes first, the oldest of
    it; the room that is left is for the oldest of what was imported. Statements have a room of
    their own; of ``again`` they are for this soul whenever and to whom they were fed. Memory does
    not grow with the diary, time does, linearly. What a night has gone over must be in ``taught``
    afterwards, facts or none, or the next night is given it again.
    """
    waiting: list[Record] = []
    imported: list[Record] = []
    statements: list[Record] = []
    left = statements_left = 0
    again = again - taught
    first_day = day_before(since)
    replaced = diary.replaced()
    for path in reversed(diary.files()):
        by_id = {
            record.id: record
            for record in diary.read(path)
            if (record.id not in replaced and is_untaught(record, soul, since, taught))
            or (record.role == "document" and record.id in again)
        }
        for record in sorted(by_id.values(), key=_moment):
            if record.role == "document":
                if len(statements) < most_statements:
                    statements.append(record)
                else:
                    statements_left += 1
            elif not record.imported:
                if path.stem >= first_day and len(waiting) < most:
                    waiting.append(record)
            elif len(imported) < most:
                imported.append(record)
            else:
                left += 1
    room = most - len(waiting)
    records = sorted([*imported[:room], *waiting], key=_moment)
    return Untaught(
        records=[told_of(record) for record in records],
        left=left + len(imported[room:]),
        statements=[told_of(record) for record in statements],
        statements_left=statements_left,
    )


def _moment(record: Record) -> float:
    return instant(record.ts)
