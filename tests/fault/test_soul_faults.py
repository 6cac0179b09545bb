"""What the soul survives: the end of its engine, of its daemon, and a full disk."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from soul_client.wire import ErrorCode
from sould.soulfile.home import SoulFolder
from sould.supervisor.shelf import read_state
from tests.fakes.daemon_process import Peer, diary_of, running
from tests.fakes.soul_watch import await_soul, is_done, learned, soul_of


def let_files_grow(peer: Peer, most_bytes: int) -> None:
    """Bound what the engine can write: a full disk, or one with room again (-1)."""
    resource.prlimit(peer.status().engine.pid, resource.RLIMIT_FSIZE, (most_bytes, -1))


def test_an_engine_killed_while_it_learns_learns_it_later(tmp_path: Path) -> None:
    done = tmp_path / "done.jsonl"
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        peer.say("first")
        await_soul(peer, lambda s: s.level == 1)
        peer.say("imprint 0.3;second")
        peer.await_status(lambda s: s.state == "imprinting")
        os.kill(peer.status().engine.pid, signal.SIGKILL)
        peer.await_status(lambda s: s.engine.restarts == 1)
        status = soul_of(peer)
        assert (status.worn, status.pending, status.level) == (False, 1, 1)
        peer.say("third")
        assert await_soul(peer, is_done).level == 4
        assert learned(done) == ["first", "imprint 0.3;second", "third"]


def test_a_daemon_killed_while_it_learns_learns_it_later(tmp_path: Path) -> None:
    done = tmp_path / "done.jsonl"
    with running(tmp_path, "", "--taught", str(done)) as (daemon, peer):
        peer.say("first")
        await_soul(peer, lambda s: s.level == 1)
        peer.say("imprint 0.3;second")
        peer.await_status(lambda s: s.state == "imprinting")
        daemon.kill()
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        found = await_soul(peer, lambda s: s.pending == 1)
        assert (found.worn, found.unsaved, found.level) == (False, True, 1)
        peer.say("third")
        assert await_soul(peer, is_done).level == 4
        assert learned(done) == ["first", "imprint 0.3;second", "third"]


def test_a_record_the_engine_dies_of_is_left_alone_in_the_end(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("poison")
        for deaths in range(1, 4):
            peer.await_status(lambda s, n=deaths: s.engine.restarts == n)
            if deaths < 3:
                assert soul_of(peer).pending >= 1
                peer.say("hello", off_record=True)
        status = await_soul(peer, lambda s: s.pending == 0)
        assert "the engine died of it 3 times" in status.problem
        assert "poison" not in daemon.log()
        peer.say("fine")
        assert await_soul(peer, lambda s: s.level == 1).worn
        assert peer.status().engine.restarts == 3


def test_a_save_that_fails_is_told_and_made_up_for(tmp_path: Path) -> None:
    with running(tmp_path, "soul: {save_every_s: 0.2}") as (daemon, peer):
        peer.say("before")
        await_soul(peer, lambda s: s.generation == 2)
        let_files_grow(peer, 0)
        assert peer.say("while the disk is full")["recorded"]
        status = await_soul(peer, lambda s: "cannot be saved" in s.problem and s.level == 6)
        assert status.unsaved and status.worn and status.generation == 2
        time.sleep(0.7)
        assert daemon.log().count("WARNING") <= 3  # tried again and again, told once
        assert peer.ask("soul.save").code is ErrorCode.STORAGE
        assert peer.ask("soul.undo").code is ErrorCode.STORAGE
        let_files_grow(peer, -1)
        status = await_soul(peer, lambda s: not s.unsaved)
        assert (status.problem, status.generation, status.level) == ("", 3, 6)
        assert "is saved again" in daemon.log()


def test_what_could_not_be_saved_waits_in_the_diary(tmp_path: Path) -> None:
    done = tmp_path / "done.jsonl"
    with running(tmp_path, "", "--taught", str(done)) as (daemon, peer):
        peer.say("before")
        await_soul(peer, lambda s: s.level == 1)
        let_files_grow(peer, 0)
        peer.say("lost for now")
        await_soul(peer, lambda s: "cannot be saved" in s.problem)
        begun = time.monotonic()
        assert daemon.terminate() == 0
        assert time.monotonic() - begun < 5
        assert learned(done) == ["before"]
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        assert await_soul(peer, lambda s: s.pending == 1).level == 1
        peer.say("after")
        await_soul(peer, is_done)
        assert learned(done) == ["before", "lost for now", "after"]


def test_a_damaged_generation_falls_back_and_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("one")
        await_soul(peer, lambda s: s.level == 1)
        peer.ask("soul.save")
        daemon.terminate()
    newest = tmp_path / "workspace" / "souls" / "default" / "00000002.soul"
    newest.write_bytes(newest.read_bytes()[:-3])
    with running(tmp_path) as (daemon, peer):
        peer.say("two")
        assert await_soul(peer, is_done).level == 2  # "one" waits again, and is learned
        assert "passed over" in daemon.log()
        newest, current = peer.ask("soul.history")["generations"]
        assert newest["problem"] and current["current"] and not current["problem"]


def test_nothing_sound_is_told_and_the_body_talks_bare(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("one")
        daemon.terminate()
    for path in (tmp_path / "workspace" / "souls" / "default").glob("*.soul"):
        path.write_bytes(b"rubbish")
    with running(tmp_path) as (_, peer):
        assert peer.say("hello")["text"] == "hello "
        status = soul_of(peer)
        assert not status.worn and "passed over" in status.problem
        assert peer.ask("soul.new", {"name": "mika"})["worn"]


def test_an_engine_that_hangs_while_it_learns_is_killed_for_the_switch(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        peer.say("slow student")
        peer.await_status(lambda s: s.state == "imprinting")
        assert peer.ask("soul.new", {"name": "mika"})["name"] == "mika"
        assert peer.status().engine.restarts == 1


@pytest.mark.parametrize("seed", range(4))
def test_no_acknowledged_turn_is_lost_whoever_is_killed(tmp_path: Path, seed: int) -> None:
    """Each is in the soul or waits, after any kill; in the end each is learned, once."""
    chance = random.Random(seed)
    said = list[str]()
    config = "soul: {save_every_s: 0.05}"
    for life in range(4):
        with running(tmp_path, config) as (daemon, peer):
            for n in range(4):
                text = f"imprint {chance.choice((0, 0.02))};life {life} turn {n}"
                answer = peer.say(text)
                if isinstance(answer, dict) and answer["recorded"]:
                    said.append(text)
                time.sleep(chance.uniform(0, 0.05))
                if chance.random() < 0.2 and (pid := peer.status().engine.pid):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.05))
            daemon.kill()
    with running(tmp_path, config) as (daemon, peer):
        peer.say("last")
        level = await_soul(peer, is_done).level
        users = [record for record in diary_of(daemon) if record["role"] == "user"]
        daemon.terminate()
    assert {record["text"] for record in users} >= {*said, "last"}
    assert all(record["soul"] == "default" for record in users)
    state = read_state(SoulFolder(tmp_path / "workspace" / "souls"), "default")
    assert state.taught == {record["id"] for record in users}
    assert state.level == level == sum(len(record["text"].split()) for record in users)
