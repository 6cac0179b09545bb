"""A daemon's life: how it starts, ends, and starts again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soul_client import locate
from soul_client.wire import (
    Empty,
    ErrorCode,
    Kind,
)
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running, write_config


def test_second_daemon_is_told_who_is_first(daemon: DaemonProcess, peer: Peer) -> None:
    second = DaemonProcess(daemon.config)
    assert second.process.wait(10) == 75
    assert f"pid {daemon.process.pid}" in second.stderr()
    second.close()
    assert peer.status().pid == daemon.process.pid


def test_same_workspace_by_another_runtime_dir_is_refused(daemon: DaemonProcess) -> None:
    config = daemon.config.with_name("second.yaml")
    workspace = locate.workspace_dir(daemon.config)
    config.write_text(f"workspace: {workspace}\nruntime_dir: {daemon.config.parent / 'run2'}\n")
    second = DaemonProcess(config)
    assert second.process.wait(10) == 75
    second.close()


def test_ready_soon_with_stale_things_removed(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    workspace, runtime = tmp_path / "workspace", tmp_path / "run"
    workspace.mkdir()
    runtime.mkdir(mode=0o700)
    (workspace / "stop_signal").write_text("all")
    for name in ("rpc.sock", "engine-7.sock", "connection.json"):
        (runtime / name).write_text("{}")
        (runtime / name).chmod(0o600)
    daemon = DaemonProcess(config)
    connection = daemon.await_ready()
    ready_s = time.monotonic() - daemon.started_at
    peer = Peer(connection)
    assert peer.say("hello")["text"] == "hello "
    assert not (workspace / "stop_signal").exists()
    assert not (runtime / "engine-7.sock").exists()
    assert "stale" in daemon.log()
    assert ready_s < 3.0  # the bar is 0.6 s; tests/bench measures it on a quiet machine
    peer.close()
    daemon.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_keeps_what_was_said_and_tidies_up(tmp_path: Path, number: int) -> None:
    with running(tmp_path) as (daemon, peer):
        talking = peer.chat("delay 0.02;tokens 1000", session="s")
        peer.await_chunk(talking)
        queued = peer.chat("never", session="s")
        peer.await_status(lambda s: len(s.requests) == 2)
        engine = peer.status().engine.pid
        begun = time.monotonic()
        daemon.process.send_signal(number)
        frames = peer.collect(talking, queued)
        done = frames[talking][-1][1]
        assert (done["finish"], done["recorded"]) == ("cancelled", True)
        assert frames[queued][-1][1]["code"] == "shutting_down"
        assert daemon.process.wait(5) == 0
        assert time.monotonic() - begun < 4
        assert diary_of(daemon)[-1]["text"] == done["text"]
        assert not list((tmp_path / "run").glob("*.json")) + list((tmp_path / "run").glob("*.sock"))
        assert not Path(f"/proc/{engine}").exists()


def test_end_while_a_body_is_loading(tmp_path: Path) -> None:
    with running(tmp_path, "", "--load-s", "60") as (daemon, peer):
        id_ = peer.chat("hello")
        while peer.recv()[1].get("stage") != "loading":
            pass
        daemon.process.send_signal(signal.SIGTERM)
        assert peer.finish(id_).code is ErrorCode.SHUTTING_DOWN
        assert daemon.process.wait(6) == 0


def test_shutdown_by_client_refuses_new_requests(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        id_ = peer.chat("deaf;delay 0.05;tokens 20")
        peer.await_chunk(id_)
        assert peer.control(Kind.REQ, Empty(), "daemon.shutdown") == {}
        peer.await_status(lambda s: s.state == "stopping")
        assert peer.ask("body.list").code is ErrorCode.SHUTTING_DOWN
        assert daemon.process.wait(10) == 0


def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        id_ = peer.chat("one;hang")
        peer.await_chunk(id_)
        daemon.process.send_signal(signal.SIGTERM)
        peer.await_status(lambda s: s.state == "stopping")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(1) == 128 + signal.SIGTERM


def test_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        session = peer.say("my name is Mika")["session"]
        daemon.terminate()
    with running(tmp_path) as (_, peer):
        got = json.loads(peer.say("messages", session=session)["text"])["messages"]
        assert got[0] == ["user", "my name is Mika"]


def test_idle_engine_is_ended_and_comes_back(tmp_path: Path) -> None:
    with running(tmp_path, "body: {idle_unload_s: 0.3}") as (_, peer):
        peer.say("hello")
        pid = peer.status().engine.pid
        peer.await_status(lambda s: s.engine.state == "absent" and s.body is None)
        assert not Path(f"/proc/{pid}").exists()
        assert peer.say("hello again")["text"] == "hello again "


def test_cancelled_load_leaves_nothing_behind(tmp_path: Path) -> None:
    with running(tmp_path, "", "--load-s", "1") as (_, peer):
        load = peer.send("body.load")
        while peer.recv()[1].get("stage") != "loading":
            pass
        peer.cancel(load)
        chat = peer.chat("straight after")
        frames = peer.collect(load, chat)
        assert frames[load][-1][1]["code"] == "cancelled"
        assert frames[chat][-1][1]["text"] == "straight after "
        peer.ask("body.unload")
        peer.await_status(lambda s: s.engine.state == "absent")


def test_loading_is_reported_to_those_who_wait(tmp_path: Path) -> None:
    with running(tmp_path, "", "--load-s", "0.4") as (_, peer):
        first, second = peer.chat("a"), peer.chat("b")
        frames = peer.collect(first, second)
        for id_ in (first, second):
            stages = [b["stage"] for h, b in frames[id_] if h.kind is Kind.PROGRESS]
            assert stages.count("loading") >= 3


def test_refused_body_is_the_answer_and_not_the_end(tmp_path: Path) -> None:
    with running(tmp_path, "", "--refuse-load") as (_, peer):
        for _ in range(2):
            answer = peer.say("hello")
            assert (answer.code, answer.message) == (ErrorCode.NO_MEMORY, "too big")
            assert answer.hint == "buy more"


def sould(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sould", *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_config_commands(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    good = sould("--config", str(config), "check-config")
    assert (good.returncode, good.stderr) == (0, "")
    shown = json.loads(sould("--config", str(config), "show-config").stdout)
    assert shown["workspace"] == str(tmp_path / "workspace")
    config.write_text("body: {paralel: 3}")
    for command in ("check-config", "show-config"):
        bad = sould("--config", str(config), command)
        assert bad.returncode == 78 and "did you mean body.parallel?" in bad.stderr
    assert sould("--config", str(config)).returncode == 78
    assert sould("--config", str(tmp_path / "none.yaml")).returncode == 78
    assert sould("frobnicate").returncode == 2


def test_unsafe_or_overlong_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    config = write_config(tmp_path, f"runtime_dir: {tmp_path / 'open'}")
    refused = sould("--config", str(config))
    assert refused.returncode == 1 and "0755" in refused.stderr and "chmod" in refused.stderr
    config = write_config(tmp_path, f"runtime_dir: {tmp_path / ('x' * 120)}")
    refused = sould("--config", str(config))
    assert refused.returncode == 78 and "shorter" in refused.stderr


def test_daemon_of_another_user_is_not_touched(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    os.chown(foreign, 12345, 12345)
    refused = sould("--config", str(write_config(tmp_path, f"runtime_dir: {foreign}")))
    assert refused.returncode == 1 and "belongs to user id 12345" in refused.stderr
