"""Which session of the diary a conversation is, and where in it: apps do not say.

They send all that was said each time. What was said tells the session; and if something was said
from the same point before, the user has it answered again, or has said something else instead.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from soul_client import AsyncClient
from soul_client.wire import ChatDone, ChatMessage, SessionInfo

MOST_REMEMBERED = 4096
MOST_READ = 8
"""Sessions of the diary that begin with the same words, and are looked into."""
_TITLE_CHARS = 240
_TURN = 2  # messages


class Place(Struct, frozen=True, kw_only=True):
    """A point of a conversation. ``next``: id of what the user said from there; "" if nothing."""

    session: str
    next: str = ""


class Places:
    """Remembers the points that conversations came by. One that is not remembered is looked for
    in the diary, so that a conversation goes on in its session after a restart too.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._points: OrderedDict[str, Place] = OrderedDict()

    async def find(self, history: Sequence[ChatMessage]) -> Place | None:
        """Return where a past leads to; None: nothing was said yet.

        Where the app has changed what was said, or left some of it out, the first turn tells the
        session, or else the last one. What was never said here gets a session of its own.
        """
        if not history:
            return None
        if place := self._points.get(whole(history)):
            return place
        for key in (first(history), last(history)):
            if place := self._points.get(key):
                return Place(session=place.session)
        return await self._in_diary(history) or Place(session=f"api-{first(history)[:16]}")

    def note(self, history: Sequence[ChatMessage], text: str, done: ChatDone) -> None:
        """Take note of a turn that was recorded."""
        here = Place(session=done.session)
        if whole(history) in self._points:  # else: what the app says was not said here
            self._remember(whole(history), Place(session=done.session, next=done.turn))
        said = [ChatMessage(role="user", text=text), ChatMessage(role="assistant", text=done.text)]
        for key in (first([*history, *said]), last(said), whole([*history, *said])):
            self._remember(key, here)

    def _remember(self, key: str, place: Place) -> None:
        self._points[key] = place
        self._points.move_to_end(key)
        if len(self._points) > MOST_REMEMBERED:
            self._points.popitem(last=False)

    async def _in_diary(self, history: Sequence[ChatMessage]) -> Place | None:
        listed = (await self._client.sessions()).sessions
        alike = [one.session for one in listed if has_title(one, history[0].text.strip())]
        for session in alike[:MOST_READ]:
            said = (await self._client.session(session)).messages
            if begins_with(said, history):
                place = place_in(session, said, history)
                self._remember(whole(history), place)
                return place
        return None


def begins_with(said: Sequence[ChatMessage], history: Sequence[ChatMessage]) -> bool:
    """Tell whether a session has the first turn of a past. Of a reply that the app stopped, the
    session may have some words more. Pure.
    """
    texts, told = ([one.text.strip() for one in part[:_TURN]] for part in (said, history))
    return len(texts) == _TURN and texts[0] == told[0] and texts[1].startswith(told[1])


def place_in(session: str, said: Sequence[ChatMessage], history: Sequence[ChatMessage]) -> Place:
    """Return the point of a session that a past leads to. Pure."""
    length = len(history)
    if length < len(said) and whole(said[:length]) == whole(history):
        return Place(session=session, next=said[length].id)
    return Place(session=session)


def whole(messages: Sequence[ChatMessage]) -> str:
    """Return what a past is remembered by: none of its words. Pure."""
    return _digest("whole", messages)


def first(messages: Sequence[ChatMessage]) -> str:
    """Return what its first turn is remembered by. Pure."""
    return _digest("first", messages[:_TURN])


def last(messages: Sequence[ChatMessage]) -> str:
    """Return what its last turn is remembered by. Pure."""
    return _digest("last", messages[-_TURN:])


def has_title(session: SessionInfo, text: str) -> bool:
    """Tell whether a session may have begun with this message, by its title. Pure."""
    return " ".join(text[:_TITLE_CHARS].split()).startswith(session.title.removesuffix("…"))


def _digest(kind: str, messages: Iterable[ChatMessage]) -> str:
    hashed = hashlib.sha256(kind.encode())
    for message in messages:
        text = message.text.strip().encode("utf-8", "replace")
        hashed.update(hashlib.sha256(text).digest())
    return hashed.hexdigest()
