"""Messages as apps send them, made into what the daemon is asked: system, past, and text.

Apps keep the conversation themselves and send all of it each time. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from msgspec import Struct

from soul_client.wire import ChatMessage
from soul_openai.refusals import Refused

_BETWEEN = "\n\n"


class Conversation(Struct, frozen=True, kw_only=True):
    """``text`` is what the user says now, after ``history``: user and assistant in turn, the
    user first, the assistant last. ``system`` None: the configured one.
    """

    text: str
    history: list[ChatMessage] = []
    system: str | None = None


def conversation(messages: Iterable[ChatMessage]) -> Conversation:
    """Return the conversation that messages are.

    What one side says in several messages is one; blank messages are left out. What the
    assistant says before the user has said anything (a greeting) goes to the system prompt, for
    a body knows of no conversation that it began.

    Raises:
        Refused: the user does not have the last word.
    """
    said = [message for message in messages if message.text.strip()]
    system = [message.text for message in said if message.role == "system"]
    turns = _merged(message for message in said if message.role != "system")
    if not turns or turns[-1].role != "user":
        raise Refused(
            400, "the last message must be the user's, and say something", param="messages"
        )
    if turns[0].role == "assistant":
        system.append(f"You began the conversation by saying:\n{turns.pop(0).text}")
    *history, last = turns
    return Conversation(
        text=last.text, history=history, system=_BETWEEN.join(system) if system else None
    )


def _merged(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    return [
        ChatMessage(role=role, text=_BETWEEN.join(one.text for one in run))
        for role, run in groupby(messages, key=lambda message: message.role)
    ]
