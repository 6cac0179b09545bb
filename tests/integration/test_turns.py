"""Turns over the wire: streamed, recorded, remembered, fairly shared."""

from __future__ import annotations

import json
import time
from typing import Any

from soul_client import codec
from soul_client.wire import (
    ChatDone,
    ErrorCode,
    Header,
    Kind,
    SessionList,
)
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of

Frames = list[tuple[Header, Any]]


def test_turn_streams_in_order_and_is_in_the_diary_before_done(
    daemon: DaemonProcess, peer: Peer
) -> None:
    id_ = peer.chat("unicode")
    frames: Frames = []
    while not frames or frames[-1][0].kind is not Kind.DONE:
        frames.append(peer.recv())
    user, reply = diary_of(daemon)[-2:]
    assert frames[0][0].kind is Kind.ACK
    order = [list(Kind).index(header.kind) for header, _ in frames]
    assert order == sorted(order)
    done = codec.convert(frames[-1][1], ChatDone)
    text = "".join(body["text"] for header, body in frames if header.kind is Kind.CHUNK)
    assert {header.id for header, _ in frames} == {id_}
    assert done.text == text == reply["text"] == "縁側の 🐈‍⬛ naïve 👩🏽‍🚀 café"
    assert done.recorded and done.finish == "stop"
    assert (user["role"], user["text"]) == ("user", "unicode")
    assert user["session"] == reply["session"] == done.session == frames[0][1]["session"]
    assert user["id"] != reply["id"] and user["learn"] is True


def test_a_turn_with_a_secret_is_kept_but_not_for_learning(
    daemon: DaemonProcess, peer: Peer
) -> None:
    peer.say("my password is hunter2")
    peer.say("my cat is called Biscuit")
    peer.say("わたしの暗証番号は4821です")
    *_, secret, answer, cat, meow, pin, reply = diary_of(daemon)
    assert (secret["text"], pin["text"]) == ("my password is hunter2", "わたしの暗証番号は4821です")
    learned = [record["learn"] for record in (secret, answer, cat, meow, pin, reply)]
    assert learned == [False, False, True, True, False, False]


def test_session_remembers_and_system_prompt_is_replaced(peer: Peer) -> None:
    session = peer.say("first")["session"]
    got = json.loads(peer.say("messages", session=session)["text"])["messages"]
    expected = [["user", "first"], ["assistant", "first "], ["user", "messages"]]
    assert got == [["system", "Be kind."], *expected]
    got = json.loads(peer.say("messages", session=session, system="Be brief.")["text"])["messages"]
    assert got[0] == ["system", "Be brief."]
    got = json.loads(peer.say("messages", session=session, system="")["text"])["messages"]
    assert got[0] == ["user", "first"]


def test_what_the_engine_dropped_is_not_sent_again(peer: Peer) -> None:
    session = peer.say("one")["session"]
    peer.say("keep 2", session=session)
    got = json.loads(peer.say("messages", session=session)["text"])
    assert got["messages"][1:] == [["user", "keep 2"], ["assistant", ""], ["user", "messages"]]
    assert got["keep_from"] == 0
    everything = peer.ask("session.get", {"session": session})["messages"]
    assert (everything[0]["role"], everything[0]["text"]) == ("user", "one")


def test_sampling_is_the_configs_where_the_request_is_silent(peer: Peer) -> None:
    wanted = {"temperature": 0.0, "stop": ["END"], "seed": 3}
    got = json.loads(peer.say("sampling", sampling=wanted)["text"])
    assert got["top_k"] == 7
    assert (got["temperature"], got["stop"], got["seed"]) == (0.0, ["END"], 3)
    assert got["repetition_penalty"] == 1.1


def test_named_session_and_its_place_in_the_list(peer: Peer) -> None:
    peer.say("a long story about a cat", session="my.story-1")
    sessions = codec.convert(peer.ask("session.list"), SessionList).sessions
    assert sessions[0].session == "my.story-1"
    assert (sessions[0].turns, sessions[0].title) == (1, "a long story about a cat")
    missing = peer.ask("session.get", {"session": "nobody"})
    assert missing.code is ErrorCode.NOT_FOUND


def test_turns_of_one_session_wait_for_each_other(peer: Peer, other: Peer) -> None:
    slow = peer.chat("tokens 5;delay 0.05;last", session="shared")
    peer.await_chunk(slow)
    got = json.loads(other.say("messages", session="shared")["text"])["messages"]
    assert got[1][1] == "tokens 5;delay 0.05;last"
    assert got[2][1].endswith("last ")


def test_long_reply_of_one_client_does_not_lock_out_another(peer: Peer, other: Peer) -> None:
    long = [peer.chat("delay 0.05;tokens 40") for _ in range(3)]
    peer.await_chunk(long[0])
    begun = time.monotonic()
    assert other.say("quick")["text"] == "quick "
    assert time.monotonic() - begun < 1.0
    assert peer.cancel("all")
    peer.collect(*long)


def test_positions_are_told_as_they_change(peer: Peer) -> None:
    ids = [peer.chat(f"delay 0.05;tokens 3;{n}") for n in range(4)]
    frames = peer.collect(*ids)
    acks = [frames[id_][0][1]["position"] for id_ in ids]
    assert acks == [0, 1, 2, 3]
    last = [b["position"] for h, b in frames[ids[-1]] if h.kind is Kind.PROGRESS]
    assert [p for p in last if p] == [2, 1]
    ended = [frames[id_][-1][1]["text"].split()[-1] for id_ in ids]
    assert ended == ["0", "1", "2", "3"]
