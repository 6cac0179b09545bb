"""What the daemon survives: its engine's end, its own, a full disk."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from pathlib import Path

import pytest

from soul_client.wire import ErrorCode, Kind
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running, write_config


@pytest.mark.parametrize(
    ("order", "how"),
    [
        ("exit 7", "exit code 7; its last words: RuntimeError: told to exit with 7"),
        ("kill", "killed by signal 9 (SIGKILL)"),
    ],
)
def test_engine_death_fails_only_what_ran(tmp_path: Path, order: str, how: str) -> None:
    with running(tmp_path, "body: {parallel: 2}") as (daemon, peer):
        other = Peer(peer.connection)
        peer.say("before")
        doomed = peer.chat(f"half a sentence;{order}")
        peer.await_chunk(doomed)
        queued = [peer.chat("still"), other.chat("here")]
        error = peer.finish(doomed)
        assert error.code is ErrorCode.ENGINE_DIED
        assert error.message == f"its process ended: {how}"
        assert peer.finish(queued[0])["text"] == "still "
        other.finish(queued[1])
        other.close()
        status = peer.status()
        assert (status.engine.restarts, status.engine.state) == (1, "ready")
        assert how in status.engine.last_error
        assert "half a sentence" not in json.dumps(diary_of(daemon))
        assert peer.say("and on")["text"] == "and on "


def test_broken_frame_of_the_engine_ends_it(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        assert peer.say("garbage").code is ErrorCode.ENGINE_DIED
        assert peer.say("hello")["text"] == "hello "
        assert "broke the protocol" in daemon.log()


def test_engine_that_dies_loading_is_tried_again_ever_later(tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    deaths.write_text("3")
    with running(tmp_path, "", "--die-loading", str(deaths)) as (_, peer):
        begun = time.monotonic()
        for _ in range(3):
            error = peer.say("hello")
            assert error.code is ErrorCode.ENGINE_DIED and "fell over" in error.message
        assert peer.say("hello")["text"] == "hello "
        assert time.monotonic() - begun > 0.5 + 1 + 2
        assert peer.status().engine.restarts == 3


def test_wait_for_the_next_try_is_told_and_can_be_stopped(tmp_path: Path) -> None:
    deaths = tmp_path / "deaths"
    deaths.write_text("9")
    with running(tmp_path, "", "--die-loading", str(deaths)) as (_, peer):
        for _ in range(2):
            peer.say("hello")
        id_ = peer.chat("hello")
        while "next try" not in peer.recv()[1].get("note", ""):
            pass
        peer.cancel(id_)
        assert peer.finish(id_)["finish"] == "cancelled"


def test_engine_that_cannot_start_says_why(tmp_path: Path) -> None:
    with running(tmp_path, "", "--die-starting") as (_, peer):
        error = peer.say("hello")
        assert error.code is ErrorCode.ENGINE_DIED
        assert "cannot start: the fake was told so" in error.message
        assert peer.status().engine.state == "dead"
        assert peer.ask("session.list") == {"sessions": []}


def test_engine_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        id_ = peer.chat("some words;hang")
        assert peer.await_chunk(id_) + peer.await_chunk(id_) == "some words "
        pid = peer.status().engine.pid
        peer.cancel(id_)
        done = peer.finish(id_, timeout_s=15)
        assert (done["finish"], done["text"]) == ("cancelled", "some words ")
        assert diary_of(daemon)[-1]["text"] == "some words "
        peer.await_status(lambda s: s.engine.pid not in (0, pid))
        assert peer.say("hello")["text"] == "hello "


def test_engine_that_ignores_everything_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with running(tmp_path, "", "--ignore-stdin") as (daemon, peer):
        id_ = peer.chat("words;hang")
        peer.await_chunk(id_)
        pid = peer.status().engine.pid
        begun = time.monotonic()
        assert daemon.terminate() == 0
        assert time.monotonic() - begun < 8
        assert diary_of(daemon)[-1]["text"] == "words "
        assert not Path(f"/proc/{pid}").exists()


def test_engine_ends_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("hello")
        pid = peer.status().engine.pid
        daemon.kill()
        until = time.monotonic() + 5
        while Path(f"/proc/{pid}").exists() and "Z" not in state_of(pid):
            assert time.monotonic() < until
            time.sleep(0.01)


def state_of(pid: int) -> str:
    """Return the state letter of a process; "Z" once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def test_acknowledged_turns_survive_any_kill(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for life in range(6):
        with running(tmp_path) as (daemon, peer):
            found = [record["text"] for record in diary_of(daemon) if record["role"] == "user"]
            assert set(acknowledged) <= set(found)
            for n in range(8):
                text = f"life {life} turn {n}"
                id_ = peer.chat(text)
                if n == 5:  # somewhere in the middle of the next turns
                    time.sleep(0.004 * life)
                    daemon.kill()
                    break
                assert peer.finish(id_)["recorded"]
                acknowledged.append(text)
    with running(tmp_path) as (_, peer):
        assert peer.ask("session.list")["sessions"]


def test_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        session = peer.say("before")["session"]
        before = diary_of(daemon)
        size = next((tmp_path / "workspace" / "memories").iterdir()).stat().st_size
        for room in (0, 30):
            resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size + room, -1))
            error = peer.say("lost", session=session)
            assert error.code is ErrorCode.STORAGE
            assert "not recorded" in error.message
            assert diary_of(daemon) == before
            assert not peer.status().diary_writable
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (-1, -1))
        got = json.loads(peer.say("messages", session=session)["text"])["messages"]
        assert got == [["user", "before"], ["assistant", "before "], ["user", "messages"]]
        assert peer.status().diary_writable


def test_two_daemons_started_at_once(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    daemons = [DaemonProcess(config) for _ in range(3)]
    until = time.monotonic() + 10
    while sum(d.process.poll() is not None for d in daemons) < 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    (winner,) = [d for d in daemons if d.process.poll() is None]
    assert sorted(d.process.returncode for d in daemons if d is not winner) == [75, 75]
    peer = Peer(winner.await_ready())
    assert peer.say("hello")["text"] == "hello "
    peer.close()
    for daemon in daemons:
        daemon.close()


def test_suspended_daemon_goes_on_where_it_was(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        id_ = peer.chat("delay 0.02;tokens 20")
        peer.await_chunk(id_)
        os.kill(daemon.process.pid, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(daemon.process.pid, signal.SIGCONT)
        assert peer.finish(id_)["finish"] == "stop"
        assert peer.control(Kind.PING) == {}
