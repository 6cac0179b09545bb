"""What the soul in use grew from: its generations one after the other, and what was told to each.

Blocking where it reads files: call it from a thread.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from sould.errors import SoulInvalid, SoulMissing
from sould.soulfile.generations import GenerationFile
from sould.soulfile.history import SoulHome, meta_of
from sould.supervisor.diary import Diary, Record
from sould.supervisor.waiting import DAY_OF_ID, oldest_day

MOST_GENERATIONS = 20
MOST_RECORDS = 64


@dataclass(frozen=True)
class Lineage:
    """Generations, each grown from the one before it, oldest first.

    ``is_whole``: the first one grew from a soul that had been taught nothing.
    """

    generations: list[GenerationFile]
    is_whole: bool

    def new_in(self, n: int) -> Set[str]:
        """Return the ids of the records that the ``n``-th one was taught first. Pure."""
        before = meta_of(self.generations[n - 1]).taught if n else frozenset[str]()
        return meta_of(self.generations[n]).taught - before

    def first_taught(self, id_: str) -> int:
        """Return the number of the first one that was taught a record, 0 if none was. Pure."""
        return next((one.number for one in self.generations if id_ in meta_of(one).taught), 0)

    def candidates(self, best: int) -> list[str]:
        """Return ids of records to weigh: those new in the ``best`` one, then the others. Pure.

        The newest of both first, so many in all as can be weighed.
        """
        first = self.new_in(best)
        others = meta_of(self.generations[-1]).taught - first
        ids = [*sorted(first, key=_age, reverse=True), *sorted(others, key=_age, reverse=True)]
        return ids[:MOST_RECORDS]


def read(home: SoulHome) -> Lineage:
    """Return what the newest generation of a soul grew from, itself last.

    Generations that were taught nothing are not in it: they are as the bare body. It begins
    where a parent is not kept, or damaged. What was gone back to counts as what it was at first.

    Raises:
        SouldError: there is no sound generation.
    """
    kept = [one for one in home.generations() if one.meta]
    by_seal = {meta_of(one).sha256: one for one in kept}
    line: list[GenerationFile] = []
    at: GenerationFile | None = home.require_newest()
    while at is not None and meta_of(at).taught and len(line) < MOST_GENERATIONS:
        line.append(_sound(home, _original(at, kept)) or at)
        parent = by_seal.get(meta_of(at).parent)
        at = _sound(home, parent) if parent else None
    return Lineage(line[::-1], is_whole=at is not None and not meta_of(at).taught)


def find(diary: Diary, ids: Sequence[str]) -> list[Record]:
    """Read records by their ids, in this order; those that are gone are not in it."""
    found: dict[str, Record] = {}
    wanted, first_day = frozenset(ids), oldest_day(frozenset(ids))
    for path in diary.files():
        if len(found) == len(wanted) or path.stem < first_day:
            break
        found |= {record.id: record for record in diary.read(path) if record.id in wanted}
    return [found[id_] for id_ in ids if id_ in found]


def _sound(home: SoulHome, one: GenerationFile) -> GenerationFile | None:
    try:
        return home.number(one.number)
    except (SoulInvalid, SoulMissing):
        return None


def _original(one: GenerationFile, kept: Sequence[GenerationFile]) -> GenerationFile:
    """Return the oldest generation of the same state: undo writes one again."""

    def state(other: GenerationFile) -> tuple[str, int, frozenset[str]]:
        meta = meta_of(other)
        return meta.parent, meta.level, meta.taught

    return next(other for other in reversed(kept) if state(other) == state(one))


def _age(id_: str) -> tuple[str, str]:
    """Return what orders ids by time; those that name no day are the oldest."""
    match = DAY_OF_ID.match(id_)
    return ("-".join(match.groups()), id_[match.end() :].zfill(20)) if match else ("", id_)
