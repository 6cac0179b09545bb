"""Logs of one JSON object a line: those of SillyTavern, and diaries, the original's and ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Set
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from sould.chats.limits import MAX_MESSAGES
from sould.chats.message import Message, Tally
from sould.chats.times import time_of
from sould.errors import TooLarge

T = TypeVar("T")

Line = tuple[int, bytes | None]
"""Its number, from 1, and what is in it; None: it is longer than ``MAX_LINE_BYTES``."""


class Entry(Struct):
    """A line of a SillyTavern chat: the first one tells of the chat, the others are said."""

    user_name: Any = None
    character_name: Any = None
    create_date: Any = None
    name: Any = None
    mes: Any = None
    is_user: Any = None
    is_system: Any = None
    send_date: Any = None


class DiaryLine(Struct):
    """A line of a diary: the original's have a ``timestamp`` alone."""

    role: Any = None
    text: Any = None
    timestamp: Any = None
    ts: Any = None
    id: Any = None
    session: Any = None
    soul: Any = None
    learn: Any = True


class _Mark(Struct):
    role: Literal["replaced"]
    ids: list[str]


def entry_of(line: bytes) -> Entry:
    """Read a line of a SillyTavern chat; raises as :func:`diary_line_of`."""
    return _entries.decode(line)


def diary_line_of(line: bytes) -> DiaryLine:
    """Read a line of a diary.

    Raises:
        msgspec.ValidationError: it is JSON, and no object.
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is no JSON.
    """
    return _diary_lines.decode(line)


_entries = msgspec.json.Decoder(Entry)
_diary_lines = msgspec.json.Decoder(DiaryLine)
_marks = msgspec.json.Decoder(_Mark)


def sillytavern(lines: Iterable[Line], tally: Tally) -> Iterator[Message]:
    """Yield what was said in a chat of SillyTavern; what is hidden from the character is not."""
    key, last_time = "", ""
    tally.conversations = 1
    for number, line in lines:
        entry = _decoded(_entries, number, line, tally)
        if entry is None:
            continue
        if entry.mes is None and isinstance(entry.character_name, str):
            if entry.create_date is not None:
                key = f"{entry.user_name} {entry.character_name} {entry.create_date}"[:1000]
            last_time = time_of(entry.create_date)
        elif not isinstance(entry.mes, str) or not isinstance(entry.is_user, bool):
            tally.skip("wrong_shape", number)
        elif entry.is_system is True:
            tally.skip("not_said", number)
        else:
            last_time = time_of(entry.send_date) or last_time
            key = key or f"{last_time} {entry.mes}"[:1000]  # what it began with
            yield Message(
                place=number,
                conversation=key,
                role="user" if entry.is_user else "assistant",
                text=entry.mes,
                time=last_time,
            )


def replaced_in(lines: Iterable[Line]) -> frozenset[str]:
    """Return the ids of what no longer counts in one of our diaries.

    Raises:
        TooLarge: there are more than messages may be.
    """
    found: set[str] = set()
    for _, line in lines:
        if line and b'"replaced"' in line:
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                found.update(_marks.decode(line).ids)
        if len(found) > MAX_MESSAGES:
            raise TooLarge(f"more than {MAX_MESSAGES} messages in it are replaced by others")
    return frozenset(found)


def diary(
    lines: Iterable[Line], tally: Tally, last_time: str, replaced: Set[str] = frozenset()
) -> Iterator[Message]:
    """Yield what was said in a diary; a conversation is a session, or else a day.

    ``last_time``: of lines that have none, before one that has. ``replaced``: ids of what is
    hidden, since something else was said in its place.
    """
    conversations: set[str] = set()
    for number, line in lines:
        found = _decoded(_diary_lines, number, line, tally)
        if found is None:
            continue
        if found.role == "replaced":
            continue
        if not isinstance(found.text, str) or not isinstance(found.role, str):
            tally.skip("wrong_shape", number)
        elif found.role not in ("user", "assistant") or _is_in(found.id, replaced):
            tally.skip("not_said", number)
        else:
            last_time = time_of(found.ts) or time_of(found.timestamp) or last_time
            key = found.session if isinstance(found.session, str) else ""
            conversations.add(key or last_time[:10])
            tally.conversations = len(conversations)
            yield Message(
                place=number,
                conversation=key or last_time[:10],
                role="user" if found.role == "user" else "assistant",
                text=found.text,
                time=last_time,
                learn=found.learn is not False,
                id=found.id if isinstance(found.id, str) else "",
                soul=found.soul if isinstance(found.soul, str) else "",
            )


def _is_in(id_: Any, ids: Set[str]) -> bool:
    return isinstance(id_, str) and id_ in ids


def _decoded(
    decoder: msgspec.json.Decoder[T], number: int, line: bytes | None, tally: Tally
) -> T | None:
    """Return what a line holds; None if that is nothing, or is left out."""
    if line is None:
        tally.skip("too_long", number)
        return None
    if not line.strip():
        return None
    try:
        return decoder.decode(line)
    except msgspec.ValidationError:
        tally.skip("wrong_shape", number)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        tally.skip("not_json", number)
    return None
