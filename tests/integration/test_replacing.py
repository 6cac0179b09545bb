"""Said again, or otherwise, and told again: what takes whose place, in the diary and the soul."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from soul_client.wire import ErrorCode
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running
from tests.fakes.soul_watch import await_soul, is_done, learned, soul_of


def shown(peer: Peer, session: str) -> list[tuple[str, str]]:
    """Return what a session says now, without its ids."""
    messages = peer.ask("session.get", {"session": session})["messages"]
    return [(message["role"], message["text"]) for message in messages]


def context(peer: Peer, session: str, **more: Any) -> list[str]:
    """Return what the body is given of a session, off the record."""
    done = peer.say("messages", session=session, off_record=True, system="", **more)
    return [text for _, text in json.loads(done["text"])["messages"]][:-1]


def test_ids_are_told_and_are_those_of_the_diary(daemon: DaemonProcess, peer: Peer) -> None:
    done = peer.say("what an id", session="ids")
    messages = peer.ask("session.get", {"session": "ids"})["messages"]
    user, reply = diary_of(daemon)[-2:]
    assert done["turn"] == messages[0]["id"] == user["id"]
    assert messages[1]["id"] == reply["id"]
    assert peer.say("hush", session="ids", off_record=True)["turn"] == ""


def test_the_same_words_are_answered_anew(daemon: DaemonProcess, peer: Peer) -> None:
    session = "anew"
    first = peer.say("one", session=session)
    second = peer.say("two", session=session)["turn"]
    peer.say("three", session=session)
    before = len(diary_of(daemon))
    done = peer.say("two", session=session, replaces=second)
    assert done["turn"] == second
    reply, mark = diary_of(daemon)[before:]
    assert (reply["role"], reply["reply_to"]) == ("assistant", second)
    assert mark["role"] == "replaced" and second not in mark["ids"] and len(mark["ids"]) == 3
    expected = [(role, text) for text in ("one", "two") for role in ("user", "assistant")]
    assert [(role, text.strip()) for role, text in shown(peer, session)] == expected
    assert context(peer, session) == ["one", "one ", "two", "two "]
    again = peer.say("one", session=session, replaces=first["turn"])
    assert again["turn"] == first["turn"]
    assert context(peer, session) == ["one", "one "]


def test_other_words_take_the_place_also_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("one", session="s")
        turn = peer.say("tow", session="s")["turn"]
        done = peer.say("two", session="s", replaces=turn)
        assert done["turn"] != turn
        assert context(peer, "s") == ["one", "one ", "two", "two "]
        daemon.kill()
    with running(tmp_path) as (daemon, peer):
        assert context(peer, "s") == ["one", "one ", "two", "two "]
        assert [text for _, text in shown(peer, "s")] == ["one", "one ", "two", "two "]
        [info] = peer.ask("session.list")["sessions"]
        assert info["turns"] == 2
        texts = [record["text"] for record in diary_of(daemon) if record["role"] == "user"]
        assert texts == ["one", "tow", "two"]  # the diary has it all
        gone = peer.say("no", session="s", replaces=turn)
        assert gone.code is ErrorCode.NOT_FOUND and turn in gone.message


def test_an_unknown_id_changes_nothing(daemon: DaemonProcess, peer: Peer) -> None:
    peer.say("kept", session="known")
    other = peer.say("elsewhere", session="unknown")["turn"]
    reply = peer.ask("session.get", {"session": "known"})["messages"][1]["id"]
    before = diary_of(daemon)
    for wrong in ("nonsense", other, reply):
        refused = peer.say("new", session="known", replaces=wrong)
        assert refused.code is ErrorCode.NOT_FOUND and wrong in refused.message
    assert peer.say("new", replaces=other).code is ErrorCode.BAD_REQUEST
    assert diary_of(daemon) == before
    assert context(peer, "known") == ["kept", "kept "]


def test_a_turn_that_fails_or_says_nothing_replaces_nothing(
    daemon: DaemonProcess, peer: Peer
) -> None:
    turn = peer.say("kept", session="failing")["turn"]
    peer.say("too", session="failing")
    before = diary_of(daemon)
    assert peer.say("error internal", session="failing", replaces=turn).code is ErrorCode.INTERNAL
    id_ = peer.chat("prefill 5", session="failing", replaces=turn)
    while peer.recv()[1].get("stage") != "prefill":
        pass
    peer.cancel(id_)
    assert peer.finish(id_)["turn"] == ""
    assert diary_of(daemon) == before
    assert context(peer, "failing") == ["kept", "kept ", "too", "too "]


def test_off_the_record_it_sees_what_was_before_and_replaces_nothing(
    daemon: DaemonProcess, peer: Peer
) -> None:
    peer.say("one", session="hushed")
    turn = peer.say("two", session="hushed")["turn"]
    before = diary_of(daemon)
    assert context(peer, "hushed", replaces=turn) == ["one", "one "]
    assert diary_of(daemon) == before
    assert len(shown(peer, "hushed")) == 4


def test_what_was_replaced_is_not_learned(tmp_path: Path, done: Path) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        turn = peer.say("imprint 60;my cat is Biscuti", session="s")["turn"]
        peer.await_status(lambda s: s.state == "imprinting")
        later = peer.say("imprint 0.1;and a dog", session="s")
        assert soul_of(peer).pending == 2
        peer.say("my cat is Biscuit", session="s", replaces=turn)
        await_soul(peer, is_done)
        assert learned(done) == ["my cat is Biscuit"]
        assert later["recorded"]


def test_what_was_replaced_is_not_learned_after_a_restart_either(
    tmp_path: Path, done: Path
) -> None:
    with running(tmp_path) as (daemon, peer):
        turn = peer.say("imprint 60;wrong", session="s")["turn"]
        peer.say("imprint 60;right", session="s", replaces=turn)
        daemon.kill()
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        assert await_soul(peer, lambda s: s.pending > 0).pending == 1


def test_the_same_words_are_learned_once(tmp_path: Path, done: Path) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        turn = peer.say("my cat is Biscuit", session="s")["turn"]
        await_soul(peer, lambda s: s.level > 0)
        peer.say("my cat is Biscuit", session="s", replaces=turn)
        turn = peer.say("imprint 0.3;and a dog", session="s")["turn"]
        peer.say("imprint 0.3;and a dog", session="s", replaces=turn)
        await_soul(peer, is_done)
        assert learned(done) == ["my cat is Biscuit", "imprint 0.3;and a dog"]


def test_what_a_client_tells_is_the_past_and_is_not_recorded(
    daemon: DaemonProcess, peer: Peer
) -> None:
    peer.say("what was held", session="told")
    history = [{"role": "user", "text": "Hello"}, {"role": "assistant", "text": "Hi!"}]
    before = len(diary_of(daemon))
    got = json.loads(peer.say("messages", session="told", history=history)["text"])["messages"]
    assert [text for _, text in got[1:]] == ["Hello", "Hi!", "messages"]
    user, reply = diary_of(daemon)[before:]
    assert (user["text"], user["session"], reply["session"]) == ("messages", "told", "told")
    assert context(peer, "told")[:3] == ["Hello", "Hi!", "messages"]
    assert context(peer, "told", history=[]) == []


def test_what_left_the_context_stays_out_of_a_history_that_goes_on(peer: Peer) -> None:
    history: list[dict[str, str]] = []
    for text in ("one", "keep 2"):
        done = peer.say(text, session="long", history=history)
        history += [{"role": "user", "text": text}, {"role": "assistant", "text": done["text"]}]
    assert context(peer, "long", history=history) == ["keep 2", ""]
    other = [*history[:2], {"role": "user", "text": "else"}, {"role": "assistant", "text": "so"}]
    assert context(peer, "long", history=other) == ["one", "one ", "else", "so"]


def test_a_history_that_is_none_is_refused(peer: Peer) -> None:
    user = {"role": "user", "text": "a"}
    reply = {"role": "assistant", "text": "b"}
    for wrong in ([user], [user, user, reply], [{"role": "system", "text": "x"}, user, reply]):
        refused = peer.say("hello", history=wrong)
        assert refused.code is ErrorCode.BAD_REQUEST and "history" in refused.message
    long = {"role": "assistant", "text": "x" * 5001}
    assert peer.say("hello", history=[user, long]).code is ErrorCode.TOO_LARGE
    assert peer.say("hello", history=[reply, user, reply])["recorded"]


def test_what_was_replaced_does_not_come_back_when_the_newer_is_forgotten(
    tmp_path: Path, done: Path
) -> None:
    with running(tmp_path) as (_, peer):
        turn = peer.say("imprint 60;my cat is Biscuit", session="s")["turn"]
        turn = peer.say("my cat is Gherkin", session="s", replaces=turn)["turn"]
        peer.say("my cat is Gherkin", session="s", replaces=turn)
        await_soul(peer, is_done)
        found = peer.ask("soul.forget", {"what": "gherkin"})
        assert (len(found["records"]), found["replies"]) == (1, 2)
        assert peer.ask("session.get", {"session": "s"}).code is ErrorCode.NOT_FOUND
        assert soul_of(peer).pending == 0
    with running(tmp_path, "", "--taught", str(done)) as (daemon, peer):
        peer.ask("body.load")
        assert await_soul(peer, is_done).level == 0 and learned(done) == []
        assert peer.ask("session.get", {"session": "s"}).code is ErrorCode.NOT_FOUND
        texts = [record["text"] for record in diary_of(daemon) if record["role"] == "user"]
        assert texts == ["imprint 60;my cat is Biscuit"]  # it was not asked to be forgotten
