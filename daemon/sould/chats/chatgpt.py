"""The data export of ChatGPT: ``conversations.json``, a list of trees of messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from sould.chats.elements import elements
from sould.chats.limits import MAX_CONVERSATION_BYTES, MAX_DEPTH
from sould.chats.message import Message, Tally
from sould.chats.times import time_of

_SAID = ("text", "multimodal_text")
"""Kinds of content that are said; the others are thoughts, code that ran, instructions."""


class _Author(Struct):
    role: Any = None


class _Content(Struct):
    content_type: Any = None
    parts: Any = None


class _Message(Struct):
    author: _Author | None = None
    content: _Content | None = None
    create_time: Any = None


class _Node(Struct):
    message: _Message | None = None
    parent: Any = None


class _Conversation(Struct):
    mapping: dict[str, _Node]
    current_node: Any = None
    create_time: Any = None
    title: Any = None
    id: Any = None
    conversation_id: Any = None


_decoder = msgspec.json.Decoder(_Conversation)


def messages(chunks: Iterable[bytes], tally: Tally) -> Iterator[Message]:
    """Yield what was said, conversation by conversation.

    Of a tree the branch that was open last; where the file does not say which that is, all
    that the user said, in order of time.

    Raises:
        BadRequest: it is no list of conversations.
    """
    found = elements(chunks, max_bytes=MAX_CONVERSATION_BYTES, max_depth=MAX_DEPTH)
    for place, data in enumerate(found, start=1):
        if data is None:
            tally.skip("too_long", place)
            continue
        try:
            conversation = _decoder.decode(data)
        except msgspec.ValidationError:
            tally.skip("wrong_shape", place)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            tally.skip("not_json", place)
        else:
            tally.conversations += 1
            yield from _said(conversation, place, tally)


def _said(conversation: _Conversation, place: int, tally: Tally) -> Iterator[Message]:
    key = _key(conversation)
    branch = _branch(conversation)
    last_time = time_of(conversation.create_time)
    for message in _users_in_order(conversation) if branch is None else branch:
        role = message.author.role if message.author else None
        content = message.content
        parts = content.parts if content and content.content_type in _SAID else None
        if role not in ("user", "assistant") or not isinstance(parts, list):
            tally.skip("not_said", place)
            continue
        last_time = time_of(message.create_time) or last_time
        text = "\n".join(part for part in parts if isinstance(part, str))
        yield Message(place=place, conversation=key, role=role, text=text, time=last_time)


def _key(conversation: _Conversation) -> str:
    for name in (conversation.conversation_id, conversation.id):
        if isinstance(name, str) and name:
            return name
    title = conversation.title if isinstance(conversation.title, str) else ""
    return f"{time_of(conversation.create_time)} {title}"


def _branch(conversation: _Conversation) -> list[_Message] | None:
    """Return the messages from the root to the current node; None: there is no such node."""
    at = conversation.current_node
    if not isinstance(at, str) or at not in conversation.mapping:
        return None
    seen: set[str] = set()
    found: list[_Message] = []
    while isinstance(at, str) and at in conversation.mapping and at not in seen:
        seen.add(at)
        node = conversation.mapping[at]
        if node.message is not None:
            found.append(node.message)
        at = node.parent
    return found[::-1]


def _users_in_order(conversation: _Conversation) -> list[_Message]:
    messages = [node.message for node in conversation.mapping.values() if node.message]
    users = [one for one in messages if one.author is not None and one.author.role == "user"]
    return sorted(users, key=lambda one: time_of(one.create_time))
