"""The client's protocol state, without sockets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_client import calls, codec, wire
from soul_client.errors import DaemonError, WireError
from soul_client.exchange import EventCursor, Exchange, Vigil
from soul_client.wire import ErrorCode, Header, Kind

BODIES = {
    Kind.ACK: {"position": 2, "session": "s1"},
    Kind.PROGRESS: {"stage": "prefill"},
    Kind.CHUNK: {"text": "x"},
    Kind.DONE: {"session": "s1", "text": "x", "finish": "stop", "usage": {}},
    Kind.ERROR: {"code": "busy", "message": "queue full", "hint": "later"},
}


def feed(exchange: Exchange[wire.ChatDone], *kinds: Kind) -> None:
    for kind in kinds:
        exchange.feed(Header(kind=kind, id=exchange.id), BODIES[kind])


def test_a_request_from_ack_to_done() -> None:
    exchange = Exchange(calls.chat("hi"))
    feed(exchange, Kind.ACK, Kind.PROGRESS, Kind.PROGRESS, Kind.CHUNK, Kind.CHUNK, Kind.DONE)
    assert exchange.ack == wire.Ack(position=2, session="s1")
    assert exchange.is_finished
    assert exchange.result is not None and exchange.result.text == "x"


def test_an_error_ends_it_and_keeps_code_and_hint() -> None:
    exchange = Exchange(calls.chat("hi"))
    with pytest.raises(DaemonError, match=r"queue full \(later\)") as caught:
        feed(exchange, Kind.ACK, Kind.ERROR)
    assert caught.value.code is ErrorCode.BUSY
    assert exchange.is_finished and exchange.result is None


@pytest.mark.parametrize(
    "kinds",
    [
        (Kind.ACK, Kind.ACK),
        (Kind.CHUNK, Kind.PROGRESS),
        (Kind.PROGRESS, Kind.ACK),
        (Kind.DONE, Kind.CHUNK),
        (Kind.DONE, Kind.DONE),
    ],
)
def test_frames_out_of_turn_are_refused(kinds: tuple[Kind, ...]) -> None:
    with pytest.raises(WireError, match="out of turn"):
        feed(Exchange(calls.chat("hi")), *kinds)


def test_a_frame_that_is_no_answer_is_refused() -> None:
    with pytest.raises(WireError, match="'pong' out of turn"):
        Exchange(calls.chat("hi")).feed(Header(kind=Kind.PONG), {})


def test_a_wrong_body_names_the_field() -> None:
    with pytest.raises(WireError, match=r"\$\.text"):
        Exchange(calls.chat("hi")).feed(Header(kind=Kind.CHUNK), {"text": 7})


@given(st.lists(st.sampled_from(sorted(BODIES)), max_size=8))
def test_no_order_of_frames_breaks_the_invariants(kinds: list[Kind]) -> None:
    exchange = Exchange(calls.chat("hi"))
    for kind in kinds:
        was_finished = exchange.is_finished
        try:
            feed(exchange, kind)
        except WireError:
            assert exchange.is_finished == was_finished
        except DaemonError:
            assert not was_finished
    assert exchange.is_finished == bool({Kind.DONE, Kind.ERROR} & set(kinds))


def test_the_request_frame_says_what_was_asked() -> None:
    exchange = Exchange(calls.chat("hé", session="s1"))
    header, raw = codec.unpack(exchange.request_frames(wire.Limits()))
    assert header == Header(kind=Kind.REQ, id=exchange.id, method="chat.send")
    assert codec.convert(raw, wire.ChatSend) == exchange.call.params


def test_a_request_over_the_limit_is_not_sent() -> None:
    with pytest.raises(WireError, match="the daemon takes 100") as caught:
        Exchange(calls.chat("x" * 100)).request_frames(wire.Limits(max_frame_bytes=100))
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_a_lone_surrogate_is_not_sent() -> None:
    with pytest.raises(WireError, match="no valid Unicode"):
        Exchange(calls.chat("\ud800")).request_frames(wire.Limits())


def test_the_error_code_of_a_newer_daemon_counts_as_internal() -> None:
    exchange = Exchange(calls.chat("hi"))
    with pytest.raises(DaemonError, match="on strike") as caught:
        exchange.feed(Header(kind=Kind.ERROR), {"code": "strike", "message": "on strike"})
    assert caught.value.code is ErrorCode.INTERNAL


def test_every_method_can_be_called_by_name() -> None:
    needed = {
        "chat.send": wire.ChatSend(text="x"),
        "session.get": wire.SessionGet(session="s"),
        "body.train": wire.BodyTrain(name="story", texts="/x"),
        "body.evaluate": wire.BodyEvaluate(name="story", texts="/x"),
        "body.export": wire.BodyExport(name="story", path="/x.bitt"),
        "body.convert": wire.BodyConvert(name="story"),
        "soul.use": wire.SoulRef(name="mika"),
        "soul.new": wire.SoulRef(name="mika"),
        "soul.load": wire.SoulLoad(source="mika"),
        "soul.export": wire.SoulExport(path="/x.soul"),
        "soul.import": wire.SoulImport(path="/x.soul"),
        "soul.verify": wire.SoulVerify(path="/x.soul"),
        "soul.diff": wire.SoulDiff(a="", b="mika"),
        "soul.why": wire.SoulWhy(question="Who am I?"),
        "soul.reincarnate": wire.SoulReincarnate(name="mika"),
        "soul.forget": wire.SoulForget(what="x"),
        "diary.import": wire.DiaryImport(path="/x.json"),
        "diary.feed": wire.DocumentFeed(path="/x.md"),
        "text.score": wire.TextScore(texts=["x"]),
        "config.set": wire.ConfigSet(key="language", value="ja"),
    }
    assert all(
        calls.by_name(method, needed.get(method)).socket == "rpc" for method in wire.RPC_METHODS
    )
    assert all(calls.by_name(method).socket == "ctl" for method in wire.CTL_METHODS)


def test_unknown_methods_and_foreign_parameters_are_refused() -> None:
    with pytest.raises(WireError, match=r"no method 'body\.lod'"):
        calls.by_name("body.lod")
    with pytest.raises(WireError, match=r"body\.load takes BodyRef, not ChatMessage"):
        calls.by_name("body.load", wire.ChatMessage(role="user", text="x"))


def test_silence_is_pinged_once_and_then_lost() -> None:
    vigil = Vigil(100.0, silence_s=12.0)
    assert (vigil.verdict(101.9), vigil.wait_s(101.5)) == ("wait", 0.5)
    assert vigil.verdict(102.0) == "ping"
    assert (vigil.verdict(102.0), vigil.wait_s(103.0)) == ("wait", 9.0)
    assert vigil.verdict(112.0) == "lost"


def test_any_frame_ends_a_silence() -> None:
    vigil = Vigil(0.0, silence_s=12.0)
    assert vigil.verdict(2.0) == "ping"
    vigil.hear(11.0)
    assert vigil.verdict(12.5) == "wait"
    assert vigil.verdict(13.0) == "ping"


def test_a_client_that_slept_pings_before_it_judges() -> None:
    assert Vigil(0.0, silence_s=12.0).verdict(10_000.0) == "ping"


def event(seq: int, name: str = "turn") -> tuple[Header, dict[str, object]]:
    return Header(kind=Kind.EVENT, seq=seq), {"name": name, "ts": "t", "data": {}}


def test_events_begin_with_a_welcome() -> None:
    cursor = EventCursor()
    assert cursor.feed(*event(40)) is None
    assert cursor.feed(*event(41)) is None
    first, next_ = cursor.feed(*event(41, "welcome")), cursor.feed(*event(42))
    assert first is not None and (first.seq, first.missed) == (41, 0)
    assert next_ is not None and (next_.seq, next_.missed) == (42, 0)


def test_lost_events_are_counted() -> None:
    cursor = EventCursor()
    cursor.feed(*event(40, "welcome"))
    seen = [cursor.feed(*event(seq)) for seq in (41, 42, 45, 45, 46)]
    assert [one and one.missed for one in seen] == [0, 0, 2, 0, 0]
    with pytest.raises(WireError, match="among events"):
        cursor.feed(Header(kind=Kind.PONG), {})
