"""Which session of the diary a conversation is, told by how it begins: apps do not say."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from soul_client import AsyncClient
from soul_client.wire import ChatMessage, SessionInfo

MOST_REMEMBERED = 4096
MOST_READ = 8
"""Sessions of the diary that begin with the same words, and are looked into."""
_TITLE_CHARS = 240

Beginning = tuple[str, str]
"""What the user said first, and the reply, without blanks around them."""


class Openings:
    """Remembers the sessions of conversations; one that is not remembered is looked for in the
    diary, so that a conversation goes on in its session after a restart too.
    """

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._sessions: OrderedDict[str, str] = OrderedDict()

    async def session_of(self, history: Sequence[ChatMessage]) -> str | None:
        """Return the session that a past belongs to; None: it has none, and opens a new one.

        What was never said here (an app brings it along) gets a session that follows from it.
        """
        begins = beginning(history)
        if begins is None:
            return None
        key = digest(begins)
        session = self._sessions.get(key) or await self._in_diary(begins) or f"api-{key[:16]}"
        self._remember(key, session)
        return session

    def note(self, text: str, reply: str, session: str) -> None:
        """Remember the session of a conversation that has begun with these."""
        self._remember(digest((text.strip(), reply.strip())), session)

    def _remember(self, key: str, session: str) -> None:
        self._sessions[key] = session
        self._sessions.move_to_end(key)
        if len(self._sessions) > MOST_REMEMBERED:
            self._sessions.popitem(last=False)

    async def _in_diary(self, begins: Beginning) -> str:
        listed = (await self._client.sessions()).sessions
        alike = [one.session for one in listed if has_title(one, begins[0])]
        for session in alike[:MOST_READ]:
            if beginning((await self._client.session(session)).messages) == begins:
                return session
        return ""


def beginning(messages: Sequence[ChatMessage]) -> Beginning | None:
    """Return the first turn of a conversation. Pure."""
    if len(messages) < 2:
        return None
    return messages[0].text.strip(), messages[1].text.strip()


def digest(begins: Beginning) -> str:
    """Return what a beginning is remembered by: no words. Pure."""
    hashed = (hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in begins)
    return hashlib.sha256(b"".join(hashed)).hexdigest()


def has_title(session: SessionInfo, first: str) -> bool:
    """Tell whether a session may have begun with this message, by its title. Pure."""
    return " ".join(first[:_TITLE_CHARS].split()).startswith(session.title.removesuffix("…"))
