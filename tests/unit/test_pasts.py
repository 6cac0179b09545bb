"""What a client may say was said before."""

from __future__ import annotations

import msgspec
import pytest

from soul_client.wire import ChatMessage
from sould.errors import BadRequest, TooLarge
from sould.plugin.structs import Turn
from sould.supervisor.diary import Record
from sould.supervisor.pasts import Past, check_history
from sould.supervisor.sessions import Session, newest_turns
from sould.supervisor.turn_records import written_of


def history(*roles: str, text: str = "x") -> list[ChatMessage]:
    return [ChatMessage(role=role, text=text) for role in roles]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "roles", [(), ("user", "assistant"), ("assistant",), ("assistant", "user", "assistant")]
)
def test_a_history_that_is_one(roles: tuple[str, ...]) -> None:
    check_history(history(*roles), 1)


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        (("user",), "ends with"),
        (("user", "assistant", "user"), "ends with"),
        (("user", "assistant", "assistant"), "messages 2 and 3"),
        (("user", "system", "assistant"), "message 2"),
    ],
)
def test_a_history_that_is_none(roles: tuple[str, ...], told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        check_history(history(*roles), 1)


def test_a_long_message_of_a_history() -> None:
    with pytest.raises(TooLarge, match="message 1 of the history has 2 characters, at most 1"):
        check_history(history("user", "assistant", text="xx"), 1)


def test_a_greeting_is_a_turn_of_its_own() -> None:
    told = history("assistant", "user", "assistant")
    assert newest_turns(told, 3) == told
    assert newest_turns(told, 2) == told[1:]
    assert newest_turns(told, 0) == told[1:]  # one turn at least


def test_how_a_history_ends() -> None:
    held = Session(messages=history("user", "assistant"))
    assert held.ends(history("user", "assistant", "user", "assistant"))
    assert not held.ends(history("assistant"))
    assert not held.ends([*history("user"), *history("assistant", text="y")])
    assert not Session(messages=[]).ends(history("user", "assistant"))


TURN = Turn(session="s", ts="t", soul="mika", body="b", text="hi", reply="ho")
SAID = Record(id="1u", ts="t", role="user", text="hi", session="s", soul="mika", learn=False)


@pytest.mark.parametrize("changes", [{"text": "hi!"}, {"soul": "other"}])
def test_other_words_or_another_soul_make_a_new_record(changes: dict[str, str]) -> None:
    said = msgspec.structs.replace(SAID, **changes)
    past = Past(session=Session(messages=[]), said=said, replaced=["1u", "1a"])
    written = written_of(TURN, id_="2", replied_at="t", past=past)
    assert [(one.id, one.reply_to) for one in written.records] == [("2u", ""), ("2a", "")]
    assert written.replaced == ["1u", "1a"]
    assert written.told is written.user and written.user.learn
    unlearned = written.unlearned()
    assert unlearned.told is unlearned.user and not any(one.learn for one in unlearned.records)


def test_the_same_words_to_the_same_soul_keep_their_record() -> None:
    past = Past(session=Session(messages=[]), said=SAID, replaced=["1u", "1a", "3u", "3a"])
    written = written_of(TURN, id_="2", replied_at="t", past=past)
    assert [(one.id, one.reply_to) for one in written.records] == [("2a", "1u")]
    assert written.replaced == ["1a", "3u", "3a"]
    assert written.user is SAID and written.told is None
    unlearned = written.unlearned()
    assert unlearned.user is SAID and not unlearned.records[0].learn
