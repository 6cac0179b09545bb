"""The sync client against real sockets and a scripted daemon."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soul_client import calls, wire
from soul_client.client import Client
from soul_client.errors import (
    ConnectionLost,
    DaemonError,
    KeyRefused,
    NotRunning,
    TimedOut,
    WireError,
)
from soul_client.wire import ErrorCode, Header, Kind
from tests.fakes.fake_daemon import Answer, FakeDaemon, answer, endless_chat, fake_daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with fake_daemon(tmp_path) as running:
        yield running


@pytest.fixture
def client(daemon: FakeDaemon) -> Iterator[Client]:
    with Client(daemon.config) as connected:
        yield connected


def wait_until(condition: Any, timeout_s: float = 5.0) -> None:
    until_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.005)


def test_a_reply_streams_whole_and_says_its_session(client: Client) -> None:
    updates: list[Any] = []
    reply = client.chat("日本 🙂", session="s7", on_update=updates.append)
    assert list(reply) == list("日本 🙂")
    assert reply.done is not None and reply.done.text == "日本 🙂"
    assert (reply.session, reply.done.session) == ("s7", "s7")
    assert [type(update) for update in updates] == [wire.Ack, wire.Progress]


def test_requests_carry_every_parameter(client: Client, daemon: FakeDaemon) -> None:
    client.ask("hi", system="be brief", sampling=wire.SamplingOverrides(seed=3), deadline_s=4.0)
    raw = daemon.requests[-1][1]
    assert (raw["system"], raw["sampling"]["seed"], raw["deadline_s"]) == ("be brief", 3, 4.0)


def test_two_replies_are_read_in_any_order(client: Client) -> None:
    one, two = client.chat("first"), client.chat("second")
    assert "".join(two) == "second"
    assert "".join(one) == "first"


def test_ping_status_and_request_by_name(client: Client) -> None:
    assert 0 < client.ping() < 1
    assert client.status().body_configured == "smollm2"
    assert client.request("daemon.status").wait().daemon_id == "fake"


def test_an_error_of_the_daemon_is_raised_with_its_code(client: Client) -> None:
    with pytest.raises(DaemonError) as caught:
        client.body_load("x")
    assert caught.value.code is ErrorCode.UNKNOWN_METHOD


def test_an_error_without_an_id_reaches_whoever_waits(client: Client, daemon: FakeDaemon) -> None:
    too_large = wire.Error(code=ErrorCode.TOO_LARGE, message="frame too large")
    daemon.scripts["body.list"] = answer((Kind.ERROR, too_large))
    daemon.hides_ids = True
    with pytest.raises(DaemonError, match="frame too large"):
        client.body_list()


def test_leaving_the_loop_stops_the_reply(client: Client, daemon: FakeDaemon) -> None:
    daemon.scripts["chat.send"] = endless_chat
    reply = client.chat("sing")
    for _ in reply:
        break
    wait_until(lambda: reply.stream.id in daemon.cancelled)
    assert reply.stop().finish == "cancelled"


def test_ctrl_c_stops_the_reply_and_its_result_still_comes(
    client: Client, daemon: FakeDaemon
) -> None:
    daemon.scripts["chat.send"] = endless_chat
    reply = client.chat("sing")
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(reply)
    timer.join()
    assert reply.stop().finish == "cancelled"
    assert client.ping() < 1


def test_stop_before_anything_was_read_does_not_overtake_the_request(
    client: Client, daemon: FakeDaemon
) -> None:
    daemon.scripts["chat.send"] = endless_chat
    assert client.chat("sing").stop().finish == "cancelled"
    kinds = [header.kind for header, _ in daemon.requests]
    assert kinds.index(Kind.REQ) < kinds.index(Kind.CANCEL)


def test_a_time_limit_stops_the_request(client: Client, daemon: FakeDaemon) -> None:
    daemon.scripts["chat.send"] = endless_chat
    stream = client.start(calls.chat("sing"), timeout_s=0.1)
    with pytest.raises(TimedOut):
        stream.wait()
    wait_until(lambda: stream.id in daemon.cancelled)


def test_a_daemon_that_dies_is_noticed_at_once(client: Client, daemon: FakeDaemon) -> None:
    daemon.scripts["chat.send"] = answer((Kind.ACK, wire.Ack()))
    reply = client.chat("hello")
    threading.Timer(0.1, daemon.stop).start()
    start_s = time.monotonic()
    with pytest.raises(ConnectionLost, match="went away"):
        list(reply)
    assert time.monotonic() - start_s < 1.5


def test_what_the_daemon_said_last_is_not_lost(client: Client, daemon: FakeDaemon) -> None:
    reply = client.chat("bye")
    wait_until(lambda: reply.stream.id in daemon.answered)
    time.sleep(0.05)  # it is in the client's socket buffer now, unread
    daemon.stop()
    assert "".join(reply) == "bye"
    wait_until(lambda: not client.is_connected)
    with pytest.raises(NotRunning):
        client.ask("hello?")


def test_the_next_request_finds_the_next_daemon(client: Client, daemon: FakeDaemon) -> None:
    assert client.is_connected
    daemon.stop()
    wait_until(lambda: not client.is_connected)
    with fake_daemon(daemon.config.parent):
        assert client.ask("again").text == "again"


def test_a_silent_daemon_is_pinged_then_given_up(daemon: FakeDaemon) -> None:
    with Client(daemon.config, silence_s=0.3) as client:
        daemon.is_silent = True
        with pytest.raises(ConnectionLost, match="alive but silent"):
            client.chat("hello?").wait()


def test_a_working_daemon_is_pinged_and_waited_for(daemon: FakeDaemon) -> None:
    def slow(daemon: FakeDaemon, header: Header, raw: Any) -> Iterator[Answer | None]:
        yield Kind.ACK, wire.Ack()
        until_s = time.monotonic() + 0.6
        while time.monotonic() < until_s:
            yield None
        yield Kind.DONE, wire.Empty()

    daemon.scripts["body.unload"] = slow
    with Client(daemon.config, silence_s=0.3) as client:
        client.body_unload()
    assert daemon.pings >= 2


def test_nobody_at_the_endpoint(daemon: FakeDaemon) -> None:
    daemon.stop()
    start_s = time.monotonic()
    with pytest.raises(NotRunning, match="listens at ipc"):
        Client(daemon.config)
    assert time.monotonic() - start_s < 2


def test_tcp_without_a_key_is_refused(daemon: FakeDaemon) -> None:
    import msgspec

    plain = msgspec.structs.replace(daemon.connection(), rpc="tcp://127.0.0.1:1")
    with pytest.raises(KeyRefused, match="plain tcp is never used"):
        Client(connection=plain)
    keyed = msgspec.structs.replace(plain, server_key="x" * 40)
    with pytest.raises(KeyRefused, match=r"owner\.key_secret"):
        Client(connection=keyed)


def test_another_thread_is_refused(client: Client) -> None:
    caught: list[BaseException] = []

    def use() -> None:
        try:
            client.ping()
        except RuntimeError as e:
            caught.append(e)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "belongs to the thread" in str(caught[0])


def test_frames_out_of_turn_are_an_error(client: Client, daemon: FakeDaemon) -> None:
    daemon.scripts["body.list"] = answer((Kind.CHUNK, wire.Chunk(text="x")), (Kind.ACK, wire.Ack()))
    with pytest.raises(WireError, match="out of turn"):
        client.body_list()


def test_events_and_the_state_after_a_gap(client: Client, daemon: FakeDaemon) -> None:
    with client.events() as events:
        first = events.read(5)
        assert first is not None and first.event.name == "welcome"
        daemon.publish("turn", {"session": "s1"})
        daemon.publish("turn", {"session": "s1"}, lose=2)
        seen = list(itertools.islice(events, 3))
        assert [(one.event.name, one.missed) for one in seen] == [
            ("turn", 0),
            ("turn", 2),
            ("state", 0),
        ]
        assert seen[2].event.data["daemon_id"] == "fake"
        assert events.read(0.01) is None
        daemon.stop()
        with pytest.raises(ConnectionLost):
            events.read(5)
