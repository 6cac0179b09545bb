"""Commands of the chat that take the last message back: answered anew, or said otherwise."""

from __future__ import annotations

from soul_cli.chat.command import Command, Misused, Say
from soul_cli.chat.conversation import Conversation
from soul_client.wire import ChatMessage


def _again(conversation: Conversation, argument: str) -> str:
    last = _last(conversation)
    raise Say(last.text, last.id)


def _edit(conversation: Conversation, argument: str) -> str:
    if not argument:
        raise Misused(conversation.settings.texts("chat.usage", usage="/edit TEXT"))
    raise Say(argument, _last(conversation).id)


def _last(conversation: Conversation) -> ChatMessage:
    """Return what the user said last in this conversation.

    Raises:
        Misused: nothing, or what is said now is off the record.
    """
    texts = conversation.settings.texts
    if conversation.is_off_record:
        raise Misused(texts("chat.again_off_record"))
    if conversation.session is None:
        raise Misused(texts("chat.again_nothing"))
    messages = conversation.client.session(conversation.session).messages
    said = [message for message in messages if message.role == "user"]
    if not said:
        raise Misused(texts("chat.again_nothing"))
    return said[-1]


COMMANDS = (Command("again", _again), Command("edit", _edit, "TEXT"))
