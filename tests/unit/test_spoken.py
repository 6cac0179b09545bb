"""What the repetition penalty looks at: the body's own words, never the user's."""

from __future__ import annotations

from soul_client.wire import ChatMessage
from sould.engine.generate import spoken

TALK = [
    ChatMessage(role="system", text="s"),
    ChatMessage(role="user", text="ab"),
    ChatMessage(role="assistant", text="cd"),
    ChatMessage(role="user", text="e"),
    ChatMessage(role="assistant", text="fg"),
    ChatMessage(role="user", text="h"),
]


def encode(text: str) -> list[int]:
    return [ord(c) for c in text]


def test_replies_are_said_and_the_user_is_heard() -> None:
    said, heard = spoken(TALK, encode, window=100)
    assert said == encode("cdfg")
    assert heard == set(encode("abeh"))


def test_what_lies_before_the_window_is_left_out() -> None:
    said, heard = spoken(TALK, encode, window=2)
    assert said == encode("fg")
    assert heard == set(encode("h"))


def test_a_first_message_has_nothing_before_it() -> None:
    assert spoken(TALK[:2], encode, window=256) == ([], set(encode("ab")))
    assert spoken([], encode, window=0) == ([], set())
