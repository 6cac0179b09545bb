"""A night of the soul in use: beside the chat, all or nothing, and woken by whoever needs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from soul_client import locate
from soul_client.client import Client
from soul_client.wire import Error, ErrorCode, Kind
from tests.fakes.daemon_process import Peer, running
from tests.fakes.soul_watch import await_soul, is_done, soul_of


def asleep(peer: Peer, told: str, stage: str = "dreaming") -> str:
    """Teach something, begin a night, and return its id once it has come to ``stage``."""
    peer.say(told)
    await_soul(peer, is_done)
    id_ = peer.send("soul.sleep")
    while True:
        header, body = peer.recv()
        if (header.id, header.kind) == (id_, Kind.PROGRESS) and body["stage"] == stage:
            return id_


def whys(peer: Peer) -> list[str]:
    return [one["why"] for one in peer.ask("soul.history")["generations"]]


def test_a_night_that_passes_is_kept_and_reported(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("my cat is called Biscuit")
        await_soul(peer, is_done)
        report: dict[str, Any] = peer.ask("soul.sleep")
        assert (report["outcome"], report["soul"], report["level"]) == ("kept", "default", 5)
        after = {"recalled": 1, "facts": 1, "honest": 0, "untold": 0, "drift": 0.01}
        assert report["after"] == {**after, "stated": 0, "statements": 0}
        assert soul_of(peer).level == 5 and not soul_of(peer).unsaved
        assert whys(peer) == ["sleep", "evening", "new"]
        assert peer.ask("soul.report") == report
        folder = locate.workspace_dir(daemon.config) / "reports"
        (written,) = folder.iterdir()
        assert written.stat().st_mode & 0o077 == 0
        (fact,) = json.loads(written.read_text("utf-8"))["facts"]
        assert fact["text"] == "", "what was told is the diary's"
        assert fact["said_after"] == "You said: my cat is called Biscuit"


def test_a_second_night_without_news_changes_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        assert peer.ask("soul.sleep")["outcome"] == "nothing"
        peer.say("my cat is called Biscuit")
        await_soul(peer, is_done)
        peer.ask("soul.sleep")
        before = soul_of(peer), whys(peer)
        assert peer.ask("soul.sleep")["outcome"] == "nothing"
        assert (soul_of(peer), whys(peer)) == before
        assert len(list((locate.workspace_dir(daemon.config) / "reports").iterdir())) == 1


def test_what_waits_is_slept_over_too(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        peer.say("imprint 60;one")
        peer.await_status(lambda s: s.state == "imprinting")
        assert peer.ask("soul.sleep")["outcome"] == "kept"
        status = await_soul(peer, is_done)
        assert status.level == 2


def test_a_nightmare_is_rolled_back(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        peer.say("nightmare")
        await_soul(peer, is_done)
        report = peer.ask("soul.sleep")
        assert (report["outcome"], report["why"]) == ("rolled_back", "it was a nightmare")
        assert whys(peer) == ["evening", "new"] and soul_of(peer).level == 1


def test_who_talks_at_night_is_answered_and_learned_in_the_morning(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        night = asleep(peer, "sleep 1.5;one")
        with Client(daemon.config) as other:
            assert other.ask("good night").text == "good night "
            assert other.status().state == "dreaming"
        assert peer.finish(night)["outcome"] == "kept"
        assert await_soul(peer, is_done).level == 4


def test_stopped_it_wakes_as_it_was(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        night = asleep(peer, "sleep 60;one")
        peer.cancel(night)
        ended = peer.finish(night)
        assert isinstance(ended, Error) and ended.code is ErrorCode.CANCELLED
        assert whys(peer) == ["evening", "new"]
        peer.say("two")
        assert await_soul(peer, is_done).level == 3


def test_stopped_when_it_is_over_it_is_as_it_was_too(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        night = asleep(peer, "late;one", "examining")
        peer.cancel(night)
        assert peer.finish(night).code is ErrorCode.CANCELLED
        assert whys(peer) == ["refused", "sleep", "evening", "new"]
        assert soul_of(peer).level == 1
        assert peer.finish(peer.send("soul.report")).code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("by_file", [False, True])
def test_woken_it_keeps_what_it_dreamt_so_far(tmp_path: Path, by_file: bool) -> None:
    with running(tmp_path) as (daemon, peer):
        night = asleep(peer, "sleep 60;one")
        if by_file:
            (locate.workspace_dir(daemon.config) / "stop_signal").write_text("sleep")
        else:
            with Client(daemon.config) as other:
                assert other.soul_wake()
        assert peer.finish(night)["outcome"] == "kept"
        assert whys(peer) == ["sleep", "evening", "new"]
        with Client(daemon.config) as other:
            assert not other.soul_wake()


def test_woken_before_it_dreams_it_is_as_it_was(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        night = asleep(peer, "doze 60;one", "preparing")
        with Client(daemon.config) as other:
            assert other.soul_wake()
        assert peer.finish(night).code is ErrorCode.CANCELLED
        assert whys(peer) == ["evening", "new"]


def test_lines_of_the_diary_that_are_no_records_are_counted(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("one")
        await_soul(peer, is_done)
        (diary,) = (locate.workspace_dir(daemon.config) / "memories").glob("*.jsonl")
        with diary.open("ab") as file:
            file.write(b"not a record\n{]\n")
        report = peer.ask("soul.sleep")
        assert (report["outcome"], report["unreadable"]) == ("kept", 2)
        assert peer.ask("soul.report")["unreadable"] == 2


def test_who_only_looks_wakes_nobody(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        night = asleep(peer, "sleep 1.5;one")
        with Client(daemon.config) as other:
            assert other.soul_diff("default@1", "default@2").a == "default@1"
            assert other.soul_save("copy").name == "default"
            assert other.soul_export(str(tmp_path / "mine.soul")).size_bytes > 0
        assert peer.finish(night)["outcome"] == "kept"


def test_with_memory_off_nobody_sleeps(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        peer.say("one")
        await_soul(peer, is_done)
    with running(tmp_path, "memory: off") as (_, peer):
        refused = peer.ask("soul.sleep")
        assert refused.code is ErrorCode.BAD_REQUEST and "memory is off" in refused.message
        assert whys(peer)[0] != "sleep"


def test_a_night_goes_on_when_who_asked_for_it_has_gone(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        peer.say("sleep 1;one")
        await_soul(peer, is_done)
        with Client(daemon.config) as other:
            assert other.soul_fall_asleep() is None
        assert peer.await_status(lambda s: s.state == "dreaming")
        peer.await_status(lambda s: s.state != "dreaming")
        assert peer.ask("soul.report")["outcome"] == "kept"
        with Client(daemon.config) as other:
            nothing = other.soul_fall_asleep()
            assert nothing is not None and nothing.outcome == "nothing"


def test_two_do_not_sleep_at_once_and_another_soul_wakes_it(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        night = asleep(peer, "sleep 60;one")
        with Client(daemon.config) as other:
            second = Peer(daemon.await_ready())
            assert second.ask("soul.sleep").code is ErrorCode.BUSY
            second.close()
            assert other.soul_new("mika").name == "mika"
        assert peer.finish(night).code is ErrorCode.CANCELLED
        assert soul_of(peer).name == "mika"


def test_a_daemon_that_ends_does_not_wait_for_the_morning(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        asleep(peer, "sleep 60;one")
        assert daemon.terminate() == 0
    with running(tmp_path) as (_, peer):
        await_soul(peer, lambda s: s.level == 2)


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_night_that_the_daemons_end_cut_short_begins_again_by_itself(
    tmp_path: Path, is_killed: bool
) -> None:
    with running(tmp_path) as (daemon, peer):
        asleep(peer, "sleep 1;one")
        if is_killed:
            daemon.kill()
        else:
            daemon.terminate()
    with running(tmp_path) as (daemon, peer):
        status = peer.await_status(lambda s: s.state == "dreaming")
        assert [one.name for one in status.jobs] == ["night"]
        assert [one.id for one in status.requests] == ["job-night"]
        peer.await_status(lambda s: not s.jobs)
        assert peer.ask("soul.report")["outcome"] == "kept"
        assert whys(peer) == ["sleep", "evening", "new"]
        assert not (locate.workspace_dir(daemon.config) / "night.json").exists()


def test_an_engine_that_dies_at_night_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        night = asleep(peer, "sleep 60;one")
        peer.say("kill")
        assert peer.finish(night).code is ErrorCode.ENGINE_DIED
        report = peer.ask("soul.report")
        assert report["outcome"] == "rolled_back" and "engine" in report["why"]
        assert report["seconds"] > 0
        peer.say("two")
        assert await_soul(peer, is_done).level == 3


def test_a_night_that_fails_says_so_in_its_report(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        night = asleep(peer, "sleep 0.1;crowded")
        assert peer.finish(night).code is ErrorCode.NO_MEMORY
        report = peer.ask("soul.report")
        assert (report["outcome"], report["why"]) == ("rolled_back", "no room to dream")


def test_no_night_no_report(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        assert peer.ask("soul.report").code is ErrorCode.NOT_FOUND


def test_a_night_comes_back_to_what_earlier_ones_learned(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        for text in ("one", "two", "three"):
            peer.say(text)
            await_soul(peer, is_done)
            report = peer.ask("soul.sleep")
        told = [(fact["text"], fact["nights"]) for fact in report["facts"]]
        assert told == [("one", 2), ("two", 1), ("three", 0)]


def test_a_night_that_was_undone_is_dreamt_again(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        peer.say("my cat is called Biscuit")
        await_soul(peer, is_done)
        assert peer.ask("soul.sleep")["outcome"] == "kept"
        peer.ask("soul.undo", {"steps": 1})
        report = peer.ask("soul.report")
        assert (report["outcome"], report["why"]) == (
            "rolled_back",
            "the soul went back to before it",
        )
        again = peer.ask("soul.sleep")
        assert (again["outcome"], len(again["facts"])) == ("kept", 1)
        number = peer.ask("soul.history")["generations"][0]["number"]
        peer.ask("soul.save")
        peer.ask("soul.undo", {"to": number})
        assert peer.ask("soul.report")["outcome"] == "kept", "it went back to after it"
