"""A real daemon, real sockets, a fake engine: what it says of itself, and events."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import zmq

from soul_client import codec, locate
from soul_client.wire import (
    PROTOCOL,
    RPC_METHODS,
    Error,
    ErrorCode,
    Hello,
    Kind,
    Status,
    Welcome,
)
from tests.fakes.daemon_process import DaemonProcess, Peer


def test_hello_is_welcomed_with_the_limits(peer: Peer) -> None:
    welcome = codec.convert(peer.control(Kind.HELLO, Hello(client="test")), Welcome)
    assert welcome.protocol == PROTOCOL
    assert welcome.daemon_id == peer.connection.daemon_id
    assert welcome.limits.max_in_flight == 6


def test_client_of_another_age_is_told(peer: Peer) -> None:
    hello = Hello(client="test", protocol_min=PROTOCOL + 1, protocol_max=PROTOCOL + 3)
    answer = peer.control(Kind.HELLO, hello)
    assert answer.code is ErrorCode.PROTOCOL_MISMATCH


def test_status_says_who_and_what(daemon: DaemonProcess, peer: Peer) -> None:
    status = peer.status()
    assert status.pid == daemon.process.pid
    assert status.body_configured == "smollm2-135m-instruct"
    assert status.diary_writable


def test_supervisor_is_small_and_has_no_torch(daemon: DaemonProcess, peer: Peer) -> None:
    peer.say("warm up")
    assert peer.status().memory_bytes <= 60e6
    maps = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    assert "/torch/" not in maps and "/numpy/" not in maps


def test_everything_on_disk_is_private(daemon: DaemonProcess, peer: Peer) -> None:
    peer.say("something private")
    workspace = locate.workspace_dir(daemon.config)
    runtime = locate.runtime_dir(daemon.config)
    for folder in (runtime, workspace / "memories", workspace / "logs"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [*runtime.iterdir(), *(workspace / "logs").iterdir(), runtime / "connection.json"]
    for path in [*files, *(workspace / "memories").iterdir(), workspace / "sould.lock"]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert "something private" not in daemon.log()


def test_config_is_shown_as_it_is_in_force(daemon: DaemonProcess, peer: Peer) -> None:
    shown = peer.ask("config.show")
    assert shown["path"] == str(daemon.config)
    assert shown["values"]["chat"]["top_k"] == 7
    assert shown["values"]["models"] == str(daemon.config.parent / "models")


def test_every_method_of_the_protocol_is_answered(peer: Peer) -> None:
    for method in RPC_METHODS:
        answer = peer.ask(method, {"garbage": 1})
        if isinstance(answer, Error):
            assert answer.code not in (ErrorCode.UNKNOWN_METHOD, ErrorCode.INTERNAL), method


def test_events_are_numbered_without_gaps(daemon: DaemonProcess, peer: Peer) -> None:
    socket = peer.context.socket(zmq.SUB)
    socket.subscribe(b"S1")
    socket.connect(peer.connection.evt)
    events: list[tuple[int, str, dict[str, Any]]] = []

    def read_until(name: str) -> dict[str, Any]:
        while True:
            assert socket.poll(5000), events
            header, body = codec.unpack(socket.recv_multipart())
            assert header.kind is Kind.EVENT
            events.append((header.seq, body["name"], body["data"]))
            if body["name"] == name:
                return dict(body["data"])

    welcome = codec.convert(read_until("welcome"), Status)
    assert welcome.event_seq == events[-1][0]
    id_ = peer.chat("secret words")
    turn = read_until("turn")
    peer.finish(id_)
    peer.ask("body.unload")
    assert read_until("body") == {"loaded": None}
    numbers = [seq for seq, _, _ in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert turn["finish"] == "stop"
    phases = [d["phase"] for _, name, d in events if name == "request" and d["id"] == id_]
    assert phases == ["accepted", "done"]
    states = [d["state"] for _, name, d in events if name == "state"]
    assert "answering" in states
    assert "secret" not in json.dumps(events)
    socket.close()
