"""What is said is learned: after the reply, in order, and never without leave."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from soul_client import locate
from soul_client.client import Client
from soul_client.wire import SoulStatus
from tests.fakes.daemon_process import diary_of, running
from tests.fakes.soul_watch import await_soul, is_done, learned, lines, soul_of


def test_a_turn_is_learned_after_it_was_answered(tmp_path: Path, asked: Path) -> None:
    with running(tmp_path, "", "--imprints", str(asked)) as (daemon, peer):
        peer.say("my cat is called Biscuit")
        status = await_soul(peer, lambda s: s.level == 5)
        assert status == SoulStatus(
            name="default", level=5, generation=1, worn=True, unsaved=True, saved=status.saved
        )
        peer.say("and I live in Kyoto")
        await_soul(peer, lambda s: s.level == 10)
        assert [line["recent"] for line in lines(asked)] == [[], ["my cat is called Biscuit"]]
        assert [record["soul"] for record in diary_of(daemon)] == ["default"] * 4


def test_the_reply_goes_before_learning(tmp_path: Path, done: Path) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        peer.say("imprint 1;one")
        peer.await_status(lambda s: s.state == "imprinting" and s.engine.state == "ready")
        assert peer.say("imprint 0.1;two;tokens 2")["text"].endswith("t0 t1 ")
        assert learned(done) == []
        await_soul(peer, is_done)
        assert learned(done) == ["imprint 1;one", "imprint 0.1;two;tokens 2"]
        assert peer.status().state == "idle"


@pytest.mark.parametrize("more", [{"off_record": True}, {"bare": True}])
def test_off_the_record_nothing_is_learned(
    tmp_path: Path, asked: Path, more: dict[str, bool]
) -> None:
    with running(tmp_path, "", "--imprints", str(asked)) as (daemon, peer):
        done = peer.say("bare;between us", **more)
        assert done["text"].startswith("true" if "bare" in more else "false")
        assert not done["recorded"] and diary_of(daemon) == []
        assert peer.say("bare;aloud")["text"].startswith("false")
        await_soul(peer, is_done)
        assert [line["text"] for line in lines(asked)] == ["bare;aloud"]


def test_a_secret_is_not_learned(tmp_path: Path, asked: Path) -> None:
    with running(tmp_path, "", "--imprints", str(asked)) as (_, peer):
        peer.say("my password is hunter2")
        peer.say("my cat is called Biscuit")
        await_soul(peer, lambda s: s.level == 5)
        assert [line["text"] for line in lines(asked)] == ["my cat is called Biscuit"]


def test_memory_off_learns_nothing_and_wears_the_soul_all_the_same(
    tmp_path: Path, asked: Path
) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("imprint 60;something")
        await_soul(peer, lambda s: s.pending == 1)
        daemon.kill()
    with running(tmp_path, "memory: off", "--imprints", str(asked)) as (_, peer):
        peer.say("hello")
        assert soul_of(peer).worn and soul_of(peer).pending == 0
        time.sleep(0.1)
        assert lines(asked) == []


def test_what_waits_is_known_and_learned_after_a_restart(tmp_path: Path, done: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("first")
        await_soul(peer, lambda s: s.level == 1)
        peer.say("imprint 60;second")
        peer.say("third")
        await_soul(peer, lambda s: s.pending == 2)
        assert daemon.terminate() == 0
    (tmp_path / "workspace" / "memories" / "2001-01-01.jsonl").write_text("not read\n")
    with running(tmp_path, "", "--taught", str(done)) as (daemon, peer):
        status = await_soul(peer, lambda s: s.pending == 2)
        assert (status.level, status.generation, status.worn) == (1, 2, False)
        assert "2001-01-01" not in daemon.log()
        peer.say("fourth")
        peer.await_status(lambda s: s.state == "imprinting")
        (tmp_path / "workspace" / "stop_signal").write_text("all")
        peer.await_status(lambda s: s.state == "idle")
        assert soul_of(peer).pending == 3


def test_stop_pauses_until_the_next_turn(tmp_path: Path, done: Path) -> None:
    with running(tmp_path, "body: {idle_unload_s: 0.5}", "--taught", str(done)) as (_, peer):
        peer.say("imprint 0.4;one")
        peer.await_status(lambda s: s.state == "imprinting")
        assert peer.cancel("all") == []
        peer.await_status(lambda s: s.state == "idle")
        id_ = peer.chat("delay 0.02;tokens 1000")
        peer.await_chunk(id_)
        peer.cancel("all")
        assert peer.finish(id_)["recorded"]  # a turn that was stopped is no leave to go on
        time.sleep(0.1)
        assert peer.status().state == "idle" and soul_of(peer).pending == 2
        peer.await_status(lambda s: s.engine.state == "absent")  # the memory is given back
        assert learned(done) == [] and soul_of(peer).pending == 2
        peer.say("go on")
        await_soul(peer, is_done)
        assert learned(done) == ["imprint 0.4;one", "delay 0.02;tokens 1000", "go on"]


def test_idle_unload_waits_for_learning_and_saves(tmp_path: Path, done: Path) -> None:
    config = "body: {idle_unload_s: 0.2}"
    with running(tmp_path, config, "--taught", str(done)) as (_, peer):
        peer.say("imprint 0.5;one")
        peer.say("imprint 0.5;two")
        peer.await_status(lambda s: s.engine.state == "absent")
        assert learned(done) == ["imprint 0.5;one", "imprint 0.5;two"]
        status = soul_of(peer)
        assert (status.generation, status.unsaved, status.worn) == (2, False, False)
        assert peer.ask("soul.history")["generations"][0]["why"] == "unload"


def test_what_cannot_be_learned_is_tried_once_more_and_left_out(
    tmp_path: Path, asked: Path, done: Path
) -> None:
    with running(tmp_path, "", "--imprints", str(asked), "--taught", str(done)) as (daemon, peer):
        peer.say("imprint 0.2;unteachable")
        peer.say("fine")
        status = await_soul(peer, lambda s: bool(s.problem))
        assert status.pending == 0 and "not to be learned" in status.problem
        assert learned(done) == ["fine"]
        texts = [line["text"] for line in lines(asked)]
        assert texts == ["imprint 0.2;unteachable", "fine", "imprint 0.2;unteachable"]
        assert "is not learned" in daemon.log() and "unteachable" not in daemon.log()


def test_small_talk_is_no_level_and_no_rehearsal(tmp_path: Path, asked: Path) -> None:
    with running(tmp_path, "", "--imprints", str(asked)) as (_, peer):
        peer.say("small talk")
        peer.say("a fact")
        await_soul(peer, lambda s: s.level == 2)
        assert lines(asked)[-1]["recent"] == []


def test_events_tell_how_learning_goes(tmp_path: Path) -> None:
    with (
        running(tmp_path) as (daemon, peer),
        Client(daemon.config) as client,
        client.events() as events,
    ):
        welcome = events.read(timeout_s=10)  # what is said before it comes may not be heard
        assert welcome is not None and welcome.event.name == "welcome"
        peer.say("imprint 0.05;tell me")
        seen: list[SoulStatus] = []
        states: list[str] = []
        for one in events:
            if one.event.name == "soul":
                seen.append(SoulStatus(**one.event.data))
                if seen[-1].pending == 0 and len(seen) > 1 and seen[-2].pending:
                    break
            elif one.event.name == "state":
                states.append(one.event.data["state"])
    assert "imprinting" in states
    assert seen[-1].level == seen[-2].level + 3 and seen[-1].unsaved
    assert all(a != b for a, b in itertools.pairwise(seen))


def test_the_soul_is_private(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("hello")
        folder = locate.workspace_dir(daemon.config) / "souls"
        found = list(folder.rglob("*"))
        assert folder.stat().st_mode & 0o777 == 0o700 and len(found) >= 3
        assert all(p.stat().st_mode & 0o077 == 0 for p in found)
