"""What of the diary is to be forgotten: turns found by an id, or by what was said in them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Set

import msgspec
from msgspec import Struct

from sould.supervisor.diary import Diary, Record, Statement


class Found(Struct, frozen=True, kw_only=True):
    """``told``: what the user said, oldest first. ``replies``: what was answered, or says it."""

    told: list[Record]
    replies: list[Record]

    @property
    def ids(self) -> set[str]:
        """Return the ids of all of it."""
        return {record.id for record in (*self.told, *self.replies)}


class Turn(Struct, frozen=True, kw_only=True):
    """What was said and what was answered; a crash, or a hand, may have left one alone. What a
    document says is always alone, and so is every further reply: one that was made anew, of
    several in an imported chat, or of the day after; its ``reply_to`` tells to what.
    """

    said: Record | None = None
    reply: Record | None = None


def find(diary: Diary, soul: str, taught: Set[str], what: str) -> Found:
    """Find a turn by the id of one of its records; without such, all that ``what`` is said in,
    whatever the case and width of its letters. Blocking.

    Only of this soul: what it was told or taught, and what was said while none was worn.
    """

    def is_ours(record: Record) -> bool:
        return record.soul in (soul, "") or record.id in taught

    def turn_with(id_: str) -> Found:
        return _gather(diary, lambda record: is_ours(record) and record.id == id_, is_turn=True)

    found = turn_with(what)
    answered = next((one.reply_to for one in found.replies if one.id == what), "")
    if answered and (whole := turn_with(answered)).told:
        return whole
    if found.told or found.replies:
        return found
    wanted = plain(what)

    def says(record: Record) -> bool:
        return any(wanted in plain(text) for text in _texts_of(record))

    return _gather(diary, lambda record: is_ours(record) and says(record))


def find_document(diary: Diary, soul: str, taught: Set[str], name: str) -> Found:
    """Find all that a document of this name says to a soul. Blocking."""
    told = {
        record.id: record
        for path in reversed(diary.files())
        for record in diary.read(path)
        if isinstance(record, Statement)
        and record.source == name
        and (record.soul == soul or record.id in taught)
    }
    return Found(told=list(told.values()), replies=[])


def _texts_of(record: Record) -> tuple[str, ...]:
    """Return what a record says; of a document also the headings above it. Its name says nothing:
    who forgets "cats" does not mean all of ``cats.md``.
    """
    return (record.text, record.heading) if isinstance(record, Statement) else (record.text,)


def plain(text: str) -> str:
    """Return a text as it is compared: NFKC, no case, spaces alike. Pure."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _gather(diary: Diary, is_hit: Callable[[Record], bool], *, is_turn: bool = False) -> Found:
    """Return what is hit, and the replies to it, those made anew too; with ``is_turn`` also what
    a hit replies to, if that is the record before it.
    """
    told: list[Record] = []
    hit: set[str] = set()
    replies: list[Record] = []
    for turn in turns(diary):
        said, reply = turn.said, turn.reply
        is_said = said is not None and is_hit(said)
        is_replied = reply is not None and is_hit(reply)
        if said is not None and (is_said or (is_turn and is_replied)):
            told.append(said)
            hit.add(said.id)
        if reply is not None and (is_said or is_replied or reply.reply_to in hit):
            replies.append(reply)
    return Found(told=told, replies=replies)


def turns(diary: Diary) -> Iterator[Turn]:
    """Yield all turns, oldest first."""
    last: dict[str, str] = {}  # by session, the id of what the user said
    for path in reversed(diary.files()):
        open_: dict[str, Record] = {}  # by session
        for record in diary.read(path):
            if record.role == "document":
                yield Turn(said=record)
                continue
            if record.reply_to:
                yield Turn(reply=record)
                continue
            before = open_.pop(record.session, None)
            if record.role == "assistant":
                if before is None:
                    said_before = last.get(record.session, "")
                    record = msgspec.structs.replace(record, reply_to=said_before)
                yield Turn(said=before, reply=record)
                continue
            if before is not None:
                yield Turn(said=before)
            open_[record.session] = record
            last[record.session] = record.id
        for record in open_.values():
            yield Turn(said=record)
