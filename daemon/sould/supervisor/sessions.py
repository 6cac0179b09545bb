"""Sessions: conversations rebuilt from the diary when somebody returns to them.

The diary is the only durable store. In memory stay the turns that may still be in a context
(of the sessions used last), and a summary of every diary file read so far.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec
from msgspec import Struct

from soul_client.wire import ChatMessage, SessionInfo
from sould.errors import NotFound
from sould.supervisor.diary import Diary, Record, instant
from sould.supervisor.waiting import DAY_OF_ID, day_before

MAX_IN_MEMORY = 64
MAX_LISTED = 5000
TITLE_CHARS = 60

_Stamp = tuple[int, int, frozenset[str]]
_ByDay = dict[str, set[str]]

_DATED = re.compile(r"^(\d{4})(\d\d)(\d\d)-\d{6}-[0-9a-f]{4}$")


class Session(Struct):
    """What may still be in the context of one conversation. ``keep_from``: see bridge.Generate."""

    messages: list[ChatMessage]
    keep_from: int = 0

    def add_turn(self, user: str, reply: str, keep_from: int) -> None:
        """Append a turn; what left the context for good is dropped."""
        self.messages += [
            ChatMessage(role="user", text=user),
            ChatMessage(role="assistant", text=reply),
        ]
        del self.messages[:keep_from]
        self.keep_from = 0

    def copy(self) -> Session:
        """Return a conversation that may go on in another way."""
        return Session(messages=list(self.messages), keep_from=self.keep_from)

    def ends(self, history: Sequence[ChatMessage]) -> bool:
        """Tell whether it is how a history ends, so that its place in the context can be kept."""
        end = history[len(history) - len(self.messages) :]
        return bool(self.messages) and [(m.role, m.text) for m in end] == [
            (m.role, m.text) for m in self.messages
        ]


class Rewound(Struct, frozen=True, kw_only=True):
    """A conversation as it was before a message. ``said``: that message. ``replaced``: ids of its
    record and of all after it.
    """

    session: Session
    said: Record
    replaced: list[str]


class Summary(Struct):
    """What one diary file says of one session."""

    turns: int
    last_ts: str
    title: str
    is_imported: bool = True


class Sessions:
    """All conversations. ``infos`` and ``history`` read the diary and block: call them from a
    thread; the others belong to the loop.
    """

    def __init__(self, diary: Diary) -> None:
        self._diary = diary
        self._memory: OrderedDict[str, Session] = OrderedDict()
        self._summaries: dict[Path, tuple[_Stamp, dict[str, Summary]]] = {}

    async def get(self, id: str, max_chars: int) -> Session:
        """Return a conversation, from memory or the newest ``max_chars`` of it in the diary."""
        session = self._memory.get(id)
        if session is None:
            session = Session(messages=await asyncio.to_thread(self._read, id, max_chars))
        self.put(id, session)
        return session

    def add_turn(self, id: str, user: str, reply: str, keep_from: int) -> None:
        """Append a recorded turn; what left the context for good is dropped from memory."""
        if session := self._memory.get(id):  # else: the diary has the turn
            session.add_turn(user, reply, keep_from)

    def put(self, id: str, session: Session) -> None:
        """Hold a conversation, whose past may be another one from now on."""
        self._memory[id] = session
        self._memory.move_to_end(id)
        while len(self._memory) > MAX_IN_MEMORY:
            self._memory.popitem(last=False)

    def held(self, id: str) -> Session | None:
        """Return what is in memory of a conversation."""
        return self._memory.get(id)

    def forget(self) -> None:
        """Drop what is in memory: another body may have room for more of the past."""
        self._memory.clear()

    def history(self, id: str) -> list[ChatMessage]:
        """Return all messages of a session as recorded, oldest first."""
        return [msgspec.structs.replace(_message(r), id=r.id) for r in self._said(id)]

    def before(self, id: str, replaced: str, max_chars: int) -> Rewound:
        """Return a conversation as it was before a message of the user.

        Raises:
            NotFound: it has no such message, or not any more.
        """
        said = self._said(id)
        for n, record in enumerate(said):
            if record.id == replaced and record.role == "user":
                past = newest_turns(pair_turns(said[:n]), max_chars)
                ids = [one.id for one in said[n:]]
                return Rewound(session=Session(messages=past), said=record, replaced=ids)
        raise NotFound(
            f"session {id!r} has no message of the user with the id {replaced!r}",
            "'session.get' tells the ids of those it has; what was replaced is none any more",
        )

    def infos(self, *, imported: bool = False) -> list[SessionInfo]:
        """Return the sessions that were held here, or else those imported from other programs;
        the one used last first, ``MAX_LISTED`` at most.
        """
        merged: dict[str, Summary] = {}
        replaced = _by_day(self._diary.replaced())
        for path in reversed(self._diary.files()):
            for id, part in self._summarise(path, replaced).items():
                whole = merged.setdefault(id, Summary(turns=0, last_ts="", title=part.title))
                whole.turns += part.turns
                whole.last_ts = part.last_ts
                whole.title = whole.title or part.title
                whole.is_imported = whole.is_imported and part.is_imported
        infos = [
            SessionInfo(
                session=id, turns=s.turns, last_ts=s.last_ts, title=s.title, imported=imported
            )
            for id, s in merged.items()
            if s.is_imported == imported
        ]
        return sorted(infos, key=lambda info: instant(info.last_ts), reverse=True)[:MAX_LISTED]

    def _read(self, id: str, max_chars: int) -> list[ChatMessage]:
        records: list[Record] = []
        messages: list[ChatMessage] = []
        replaced = _by_day(self._diary.replaced())
        for path in self._files_with(id, replaced):
            records[:0] = [r for r in self._records(path, replaced) if r.session == id]
            messages = pair_turns(records)
            if sum(len(message.text) for message in messages) >= max_chars:
                break
        return newest_turns(messages, max_chars)

    def _said(self, id: str) -> list[Record]:
        """Return all records of a session that count, oldest first."""
        replaced = _by_day(self._diary.replaced())
        files = reversed(self._files_with(id, replaced))
        return [r for path in files for r in self._records(path, replaced) if r.session == id]

    def _files_with(self, id: str, replaced: _ByDay) -> list[Path]:
        """Return the diary files that mention a session, newest first."""
        born = _DATED.match(id)
        first = "-".join(born.groups()) if born else ""
        files = [path for path in self._diary.files() if path.stem >= first]
        return [path for path in files if id in self._summarise(path, replaced)]

    def _summarise(self, path: Path, replaced: _ByDay) -> dict[str, Summary]:
        """Return turns, last time and title per session of a file, read again if it changed."""
        try:
            stat = path.stat()
        except FileNotFoundError:
            return {}
        stamp = stat.st_size, stat.st_mtime_ns, _replaced_in(path, replaced)
        known = self._summaries.get(path)
        if known is None or known[0] != stamp:
            known = self._summaries[path] = stamp, summarise(self._records(path, replaced))
        return known[1]

    def _records(self, path: Path, replaced: _ByDay) -> Iterator[Record]:
        """Yield what was said in a file and still counts; what was imported again, once."""
        imported: set[str] = set()
        gone = _replaced_in(path, replaced)
        for record in self._diary.read(path):
            if record.role == "document" or record.id in gone:
                continue
            if record.imported:
                if record.id in imported:
                    continue
                imported.add(record.id)
            yield record


def summarise(records: Iterable[Record]) -> dict[str, Summary]:
    """Return turns, last time and title per session. Pure."""
    found: dict[str, Summary] = {}
    for record in records:
        summary = found.setdefault(record.session, Summary(turns=0, last_ts="", title=""))
        summary.last_ts = record.ts
        summary.is_imported = summary.is_imported and bool(record.imported)
        if record.role == "user":
            summary.title = summary.title or title_of(record.text)
        else:
            summary.turns += 1
    return found


def pair_turns(records: Sequence[Record]) -> list[ChatMessage]:
    """Return user and assistant in turn, as chat templates want them; a user record that was
    never answered, or a reply to nothing, is left out. Pure.
    """
    messages: list[ChatMessage] = []
    for asked, answered in pairwise(records):
        if asked.role == "user" and answered.role == "assistant":
            messages += [_message(asked), _message(answered)]
    return messages


def newest_turns(messages: Sequence[ChatMessage], max_chars: int) -> list[ChatMessage]:
    """Return the newest whole turns that hold at most ``max_chars``, at least one. Pure."""
    start = len(messages)
    chars = 0
    while start > 0:
        turn = messages[max(0, start - 2) : start]
        chars += sum(len(message.text) for message in turn)
        if chars > max_chars and start < len(messages):
            break
        start -= len(turn)
    return list(messages[start:])


def title_of(text: str) -> str:
    """Return the first words of a text, in one line of at most ``TITLE_CHARS``."""
    line = " ".join(text[: TITLE_CHARS * 4].split())
    if len(line) <= TITLE_CHARS:
        return line
    words = line[:TITLE_CHARS].rpartition(" ")[0] or line[: TITLE_CHARS - 1]
    return f"{words}…"


def new_session_id(now: datetime, salt: str) -> str:
    """Return an id such as ``20261123-181500-ab12``: its birth, and four letters of ``salt``."""
    return f"{now:%Y%m%d-%H%M%S}-{hashlib.sha256(salt.encode()).hexdigest()[:4]}"


def _by_day(replaced: Set[str]) -> _ByDay:
    """Return ids by the day in them, those without one under ""."""
    found: dict[str, set[str]] = {}
    for id_ in replaced:
        day = DAY_OF_ID.match(id_)
        found.setdefault("-".join(day.groups()) if day else "", set()).add(id_)
    return found


def _replaced_in(path: Path, replaced: _ByDay) -> frozenset[str]:
    """Return those ids that may be in a file: a turn may end on the day after it began."""
    days = ("", path.stem, day_before(path.stem))
    return frozenset().union(*(replaced.get(day, ()) for day in days))


def _message(record: Record) -> ChatMessage:
    assert record.role != "document"  # those are in no conversation
    return ChatMessage(role=record.role, text=record.text)
