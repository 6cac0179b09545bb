"""Bad input over the wire: a clear error, and the daemon goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from soul_client import codec
from soul_client.wire import (
    Error,
    ErrorCode,
    Header,
    Kind,
)
from tests.fakes.daemon_process import DaemonProcess, Peer


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ({"text": ""}, ErrorCode.BAD_REQUEST, "$.text"),
        ({"text": " \n\t　"}, ErrorCode.BAD_REQUEST, "empty"),
        ({}, ErrorCode.BAD_REQUEST, "text"),
        ({"text": 3}, ErrorCode.BAD_REQUEST, "$.text"),
        ({"text": "x" * 5001}, ErrorCode.TOO_LARGE, "5001"),
        ({"text": "x", "session": "../etc"}, ErrorCode.BAD_REQUEST, "$.session"),
        ({"text": "x", "sampling": {"top_p": 7}}, ErrorCode.BAD_REQUEST, "$.sampling.top_p"),
        ({"text": "x", "deadline_s": 0}, ErrorCode.BAD_REQUEST, "$.deadline_s"),
    ],
)
def test_bad_parameters_are_named(
    peer: Peer, body: dict[str, Any], code: ErrorCode, word: str
) -> None:
    answer = peer.ask("chat.send", body)
    assert answer.code is code
    assert word in answer.message


def test_unknown_fields_are_ignored_and_unknown_methods_are_not(peer: Peer) -> None:
    assert peer.say("hi", mood="good")["text"] == "hi "
    assert peer.ask("chat.sing").code is ErrorCode.UNKNOWN_METHOD
    elsewhere = peer.ask("daemon.status")
    assert elsewhere.code is ErrorCode.UNKNOWN_METHOD and "ctl" in elsewhere.hint
    answer = peer.control(Kind.REQ, method="chat.send")
    assert answer.code is ErrorCode.UNKNOWN_METHOD and "rpc" in answer.hint


def send_raw(peer: Peer, *parts: bytes) -> tuple[Header, Error]:
    """Send frames and return the next error; what else is in flight may answer before."""
    peer.rpc.send_multipart(parts)
    header, body = peer.recv()
    while header.kind is not Kind.ERROR:
        header, body = peer.recv()
    return header, codec.convert(body, Error)


def test_broken_frames_are_answered(peer: Peer) -> None:
    header = codec.pack(Header(kind=Kind.REQ, id="x1", method="chat.send"))[1]
    deep: Any = "core"
    for _ in range(40):
        deep = [deep]
    cases = [
        ((b"XX", header, b"\x80"), "", ErrorCode.PROTOCOL_MISMATCH),
        ((b"S1", header), "", ErrorCode.BAD_REQUEST),
        ((b"S1", b"\xc1", b"\x80"), "", ErrorCode.BAD_REQUEST),
        ((b"S1", header, b"\xa4\xff\xfe\xfd\xfc"), "x1", ErrorCode.BAD_REQUEST),
        ((b"S1", header, b"\x81\xa4text\xc4\x01x"), "x1", ErrorCode.BAD_REQUEST),
        ((b"S1", header, b"\xc7\x01\x05x"), "x1", ErrorCode.BAD_REQUEST),
        ((b"S1", header, msgspec.msgpack.encode(deep)), "x1", ErrorCode.TOO_LARGE),
        ((b"S1", header, b"\xc6" + b"\0" * 70_000), "", ErrorCode.TOO_LARGE),
        ((b"S1", header, b"\xdd\xff\xff\xff\xff"), "x1", ErrorCode.TOO_LARGE),
    ]
    for parts, id_, code in cases:
        answer, error = send_raw(peer, *parts)
        assert (answer.id, error.code) == (id_, code), (parts, error)
    done = codec.pack(Header(kind=Kind.DONE, id="x2"))
    assert send_raw(peer, *done)[1].code is ErrorCode.BAD_REQUEST
    nameless = codec.pack(Header(kind=Kind.REQ, method="chat.send"), {"text": "x"})
    assert "id" in send_raw(peer, *nameless)[1].message
    assert peer.say("still there")["text"] == "still there "


def test_id_in_flight_and_too_many_in_flight_are_refused(peer: Peer) -> None:
    ids = [peer.chat("delay 0.2;tokens 50") for _ in range(6)]
    again = codec.pack(Header(kind=Kind.REQ, id=ids[5], method="body.list"))
    header, error = send_raw(peer, *again)
    assert (header.id, error.code) == (ids[5], ErrorCode.BAD_REQUEST)
    assert "in flight" in error.message
    too_many = peer.ask("config.show")
    assert too_many.code is ErrorCode.BUSY
    peer.cancel()
    peer.collect(*ids)
    assert peer.say("room again")["text"] == "room again "


def test_full_queue_says_busy(daemon: DaemonProcess) -> None:
    peers = [Peer(daemon.await_ready()) for _ in range(3)]
    peers[0].await_status(lambda s: not s.requests)
    sent = [[peer.chat("delay 0.5;tokens 50") for _ in range(5)] for peer in peers]
    peers[0].await_status(lambda s: len(s.requests) == 11)
    peers[0].cancel()
    codes = [
        frames[-1][1]["code"]
        for peer, ids in zip(peers, sent, strict=True)
        for frames in peer.collect(*ids).values()
        if frames[-1][0].kind is Kind.ERROR
    ]
    assert codes == ["busy"] * 4
    for peer in peers:
        peer.close()
