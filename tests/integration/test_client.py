"""The client library against the real daemon."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zmq

from soul_client import launch, locate
from soul_client.async_client import AsyncClient
from soul_client.client import Client
from soul_client.errors import ConnectionLost, DaemonError, KeyRefused, LaunchFailed, NotRunning
from soul_client.wire import ErrorCode, SamplingOverrides
from tests.fakes.daemon_process import DaemonProcess, running, write_config
from tests.fakes.fake_daemon import FakeDaemon


def test_a_conversation(daemon: DaemonProcess) -> None:
    with Client(daemon.config) as client:
        reply = client.chat("unicode")
        assert "".join(reply) == "縁側の 🐈‍⬛ naïve 👩🏽‍🚀 café"
        assert reply.done is not None and reply.session == reply.done.session
        again = client.ask("two", session=reply.session, sampling=SamplingOverrides(seed=1))
        assert again.session == reply.session
        history = client.session(reply.session).messages
        assert [message.role for message in history] == ["user", "assistant"] * 2
        assert reply.session in [one.session for one in client.sessions().sessions]


def test_errors_and_limits_of_the_daemon(daemon: DaemonProcess) -> None:
    with Client(daemon.config) as client:
        with pytest.raises(DaemonError) as caught:
            client.ask("x" * 5001)
        assert caught.value.code is ErrorCode.TOO_LARGE
        with pytest.raises(DaemonError) as caught:
            client.session("never-heard-of")
        assert caught.value.code is ErrorCode.NOT_FOUND
        assert client.config_show().path == str(daemon.config)


def test_leaving_a_reply_stops_it_in_the_daemon(daemon: DaemonProcess) -> None:
    with Client(daemon.config) as client:
        for _ in client.chat("delay 0.02; tokens 1000"):
            break
        until_s = time.monotonic() + 5
        while client.status().requests:
            assert time.monotonic() < until_s


async def test_many_conversations_at_once(daemon: DaemonProcess) -> None:
    async with AsyncClient(daemon.config) as client, client.events() as events:
        assert (await events.read()).event.name == "welcome"
        done = await asyncio.gather(*(client.ask(f"number {n}") for n in range(5)))
        assert [one.text for one in done] == [f"number {n} " for n in range(5)]
        names = {(await events.read()).event.name for _ in range(10)}
        assert {"request", "state"} <= names


def test_tcp_needs_a_key_the_daemon_knows(tmp_path: Path) -> None:
    with running(tmp_path, "wire: {listen: 'tcp://127.0.0.1:0'}") as (daemon, _):
        with Client(daemon.config) as client:
            assert client.ask("hello").text == "hello "
            with client.events() as events:
                first = events.read(5)
                assert first is not None and first.event.name == "welcome"
        public, secret = (key.decode() for key in zmq.curve_keypair())
        stranger = tmp_path / "stranger.key_secret"
        stranger.touch(0o600)
        stranger.write_text(
            f'metadata\ncurve\n    public-key = "{public}"\n    secret-key = "{secret}"\n'
        )
        with pytest.raises(KeyRefused, match="does not accept"):
            Client(daemon.config, key_file=stranger)


def test_a_daemon_that_is_stopped_dead_counts_as_lost(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, _), Client(daemon.config, silence_s=0.6) as client:
        reply = client.chat("delay 0.02; tokens 1000")
        pieces = iter(reply)
        next(pieces)
        os.kill(daemon.process.pid, signal.SIGSTOP)
        with pytest.raises(ConnectionLost, match="alive but silent"):
            list(pieces)
        os.kill(daemon.process.pid, signal.SIGCONT)
        assert client.ping() < 5


def test_a_daemon_is_started_once_for_all(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    pids: list[int] = []
    threads = [
        threading.Thread(target=lambda: pids.append(launch.ensure_running(config).pid))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(pids) == 3 and len(set(pids)) == 1
    with Client(config) as client:
        connection = client.connection
        client.shutdown()
    assert launch.wait_until_gone(connection, timeout_s=20)
    assert launch.probe(config) is None


def test_a_start_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with pytest.raises(LaunchFailed, match="not ready in time"):
        launch.ensure_running(config, timeout_s=0.05)
    until_s = time.monotonic() + 10
    while launch.probe(config) is not None:
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_a_leftover_connection_file_does_not_keep_a_daemon_from_starting(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    run_dir = locate.runtime_dir(config)
    run_dir.mkdir(mode=0o700, exist_ok=True)
    FakeDaemon(tmp_path).write_connection(run_dir / "connection.json")  # our own pid: alive
    config.write_text(f"bit_ttt: 1\nruntime_dir: {run_dir}\n")
    with pytest.raises(NotRunning, match="no daemon listens"):
        Client(config)
    connection = launch.ensure_running(config)
    assert connection.pid != os.getpid()
    os.kill(connection.pid, signal.SIGTERM)
    assert launch.wait_until_gone(connection, timeout_s=20)


def test_the_library_is_light() -> None:
    code = (
        "import sys, soul_client;"
        "early = {'zmq', 'msgpack', 'msgspec', 'yaml'} & set(sys.modules);"
        "soul_client.Client, soul_client.AsyncClient, soul_client.ensure_running;"
        "print(early, {'torch', 'numpy', 'sould', 'click'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("set() set()\n", "")
