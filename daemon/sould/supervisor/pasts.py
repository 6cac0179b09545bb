"""What a turn may see of what was said before, and what it takes the place of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct, field

from soul_client.wire import ChatMessage, ChatSend
from sould.bridge import Generated
from sould.errors import BadRequest, TooLarge
from sould.supervisor.diary import Record
from sould.supervisor.off_record import OffRecord
from sould.supervisor.sessions import Session, Sessions, newest_turns


class Past(Struct, frozen=True, kw_only=True):
    """``session``: what may be in the context. ``is_other``: not what was held until now.

    ``said``: the message that is replaced; ``replaced``: ids of its record and of all after it.
    """

    session: Session
    is_other: bool = False
    said: Record | None = None
    replaced: list[str] = field(default_factory=list)


class Pasts:
    """The past of turns, recorded or not. Nothing is changed before a turn is over."""

    def __init__(self, sessions: Sessions, off_record: OffRecord) -> None:
        self._sessions = sessions
        self._off_record = off_record

    async def find(
        self, client: bytes, params: ChatSend, session: str, max_chars: int, *, is_recorded: bool
    ) -> Past:
        """Return what a turn may see; off the record it is a copy no recorded turn sees.

        Raises:
            NotFound: the session does not have what is to be replaced.
        """
        if params.session is None and params.history is None:  # the diary has nothing of it yet
            return Past(session=Session(messages=[]), is_other=True)
        if params.history is None and params.replaces is None:
            held = await self._held(client, params, session, max_chars, is_recorded)
            return Past(session=held)
        told = None
        if params.history is not None:
            told = self._told(session, params.history, max_chars)
        if params.replaces is None:
            assert told is not None
            return Past(session=told, is_other=True)
        rewound = await asyncio.to_thread(
            self._sessions.before, session, params.replaces, max_chars
        )
        return Past(
            session=told or rewound.session,
            is_other=True,
            said=rewound.said,
            replaced=rewound.replaced,
        )

    def add_recorded(self, id: str, past: Past, said: str, generated: Generated) -> None:
        """Take note of a turn that is in the diary."""
        if past.is_other:
            self._sessions.put(id, past.session)
        self._sessions.add_turn(id, said, generated.text, generated.keep_from)
        self._off_record.end(id)

    def add_off_record(
        self, client: bytes, id: str, past: Past, said: str, generated: Generated
    ) -> None:
        """Take note of a turn that is in none."""
        past.session.add_turn(said, generated.text, generated.keep_from)
        self._off_record.keep(client, id, past.session)

    async def _held(
        self, client: bytes, params: ChatSend, session: str, max_chars: int, is_recorded: bool
    ) -> Session:
        if is_recorded:
            return await self._sessions.get(session, max_chars)
        if kept := self._off_record.get(client, session):
            return kept
        return (await self._sessions.get(session, max_chars)).copy()

    def _told(self, session: str, history: Sequence[ChatMessage], max_chars: int) -> Session:
        """Return what a client says was said before; as it is held, if that is how it ends: then
        what has left the context for good stays out of it.
        """
        held = self._sessions.held(session)
        if held is not None and held.ends(history):
            return held.copy()
        return Session(messages=newest_turns(history, max_chars))


def check_history(history: Sequence[ChatMessage], max_chars: int) -> None:
    """Check what a client says was said before: in turn, and a reply last.

    Raises:
        BadRequest: that is not how a conversation goes.
        TooLarge: one message has more than ``max_chars`` characters.
    """
    for number, message in enumerate(history, start=1):
        if message.role == "system":
            raise BadRequest(
                f"message {number} of the history is a system message",
                "what replaces the system prompt belongs in 'system'",
            )
        if number > 1 and message.role == history[number - 2].role:
            raise BadRequest(
                f"messages {number - 1} and {number} of the history are both of the {message.role}",
                "user and assistant take turns",
            )
        if len(message.text) > max_chars:
            raise TooLarge(
                f"message {number} of the history has {len(message.text)} characters, "
                f"at most {max_chars} may be"
            )
    if history and history[-1].role != "assistant":
        raise BadRequest(
            "the history ends with a message of the user",
            "it ends with a reply; what the user says now belongs in 'text'",
        )
