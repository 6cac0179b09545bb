"""Forgetting: out of the diary, out of the soul and out of every file, and nothing else with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soul_client import locate
from soul_client.wire import ErrorCode, Kind
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running
from tests.fakes.soul_watch import await_soul, is_done, learned, soul_of

SECRET = "my cat is called Biscuit"
KNOWN, NEVER = ({"recalled": n, "facts": 1, "log_p": log_p} for n, log_p in ((1, -0.25), (0, -4.0)))


def teach(peer: Peer, *texts: str) -> None:
    for text in texts:
        peer.say(text)
        await_soul(peer, is_done)


def forget(peer: Peer, what: str, **params: Any) -> Any:
    return peer.ask("soul.forget", {"what": what, **params})


def holding(daemon: DaemonProcess, text: str) -> list[str]:
    """Return the files of the workspace that have a text in them."""
    folder = locate.workspace_dir(daemon.config)
    while True:
        found = [path for path in folder.rglob("*") if path.is_file()]
        try:
            return [path.name for path in found if text.encode() in path.read_bytes()]
        except FileNotFoundError:  # the daemon put a file in place of another: look again
            continue


def said(daemon: DaemonProcess) -> list[str]:
    return [one["text"] for one in diary_of(daemon) if one["role"] == "user"]


def test_what_was_replied_at_night_is_forgotten_too(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "I live in Bath.", SECRET)
        peer.ask("soul.sleep")
        facts = peer.ask("soul.report")["facts"]
        told = [f"You said: {one}" for one in said(daemon)]
        assert [fact["said_after"] for fact in facts] == told
        forget(peer, "Biscuit")
        assert holding(daemon, "Biscuit") == []
        report = peer.ask("soul.report")
        facts = report["facts"]
        assert [(fact["text"], fact["question"], fact["said_after"]) for fact in facts] == [
            ("I live in Bath.", "", ""),
            ("", "", ""),
        ]
        assert report["outcome"] == "rolled_back" and "is forgotten" in report["why"]
        await_soul(peer, is_done)
        again = peer.ask("soul.sleep")  # no night has gone over what is learned again
        assert (again["outcome"], [fact["nights"] for fact in again["facts"]]) == ("kept", [0])


def test_what_is_forgotten_is_nowhere_and_the_rest_is_learned_again(
    tmp_path: Path, done: Path
) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (daemon, peer):
        teach(peer, "one")
        peer.ask("soul.save")
        teach(peer, SECRET)
        peer.ask("soul.save")
        teach(peer, "three")
        assert holding(daemon, "Biscuit")
        found = forget(peer, "BISCUIT", wait=True)
        assert [one["text"] for one in found["records"]] == [SECRET]
        assert (found["replies"], found["generations"], found["relearned"]) == (1, 1, 1)
        assert (found["before"], found["after"], found["never"]) == (KNOWN, NEVER, NEVER)
        assert (found["lost"], found["others"]) == (0, [])
        assert holding(daemon, "Biscuit") == []
        assert said(daemon) == ["one", "three"]
        assert soul_of(peer).level == 2 and soul_of(peer).pending == 0
        assert learned(done) == ["one", SECRET, "three", "three"]
        whys = [one["why"] for one in peer.ask("soul.history")["generations"]]
        assert whys == ["forget", "save", "new"]
    with running(tmp_path) as (daemon, peer):
        peer.ask("body.load")
        assert await_soul(peer, is_done).level == 2
        assert "Biscuit" not in str(peer.ask("session.list"))


def test_what_an_import_that_was_cut_short_had_read_is_gone(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, _):
        left_over = locate.workspace_dir(daemon.config) / "cache" / "import"
    left_over.mkdir(parents=True)
    (left_over / "records.jsonl").write_text(SECRET)
    with running(tmp_path) as (daemon, _):
        assert holding(daemon, "Biscuit") == []


def test_a_dry_run_changes_nothing_and_an_id_is_one_turn(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one", SECRET, SECRET)
        before = diary_of(daemon), soul_of(peer)
        assert forget(peer, "Gherkin").code is ErrorCode.NOT_FOUND
        assert forget(peer, "  ").code is ErrorCode.BAD_REQUEST
        found = forget(peer, "biscuit", dry_run=True)
        assert [one["text"] for one in found["records"]] == [SECRET, SECRET]
        assert (found["relearned"], found["before"], found["after"]) == (1, None, None)
        first = found["records"][0]["id"]
        assert (diary_of(daemon), soul_of(peer)) == before
        assert [one["id"] for one in forget(peer, first)["records"]] == [first]
        assert said(daemon) == ["one", SECRET]
        assert await_soul(peer, is_done).level == 6  # the other one is learned again


def test_the_conversation_goes_on_without_it(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        session = peer.ask("chat.send", {"text": SECRET})["session"]
        peer.ask("chat.send", {"text": "two", "session": session})
        forget(peer, "Biscuit")
        seen = peer.ask("chat.send", {"text": "messages", "session": session})["text"]
        assert "Biscuit" not in seen and "two" in seen


def test_what_an_undo_let_go_stays_so_and_what_it_kept_is_learned_again(
    tmp_path: Path, done: Path
) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        teach(peer, SECRET, "kept by the undo")
        peer.ask("soul.save")
        teach(peer, "let go")
        peer.ask("soul.undo")
        teach(peer, "afterwards")
        done.unlink()
        assert forget(peer, "Biscuit", wait=True)["relearned"] == 2
        assert learned(done) == ["kept by the undo", "afterwards"]


def test_a_copy_forgets_and_the_one_it_was_made_of_is_named(tmp_path: Path, done: Path) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        teach(peer, SECRET, "two")
        peer.ask("soul.save", {"name": "copy"})
        peer.ask("soul.use", {"name": "copy"})
        done.unlink()
        found = forget(peer, "Biscuit", wait=True)
        assert (found["soul"], found["others"]) == ("copy", ["default"])
        assert learned(done) == ["two"]  # though it was said to another soul
        assert soul_of(peer).level == 1


def test_what_still_waits_is_forgotten_before_it_is_learned(tmp_path: Path, done: Path) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (daemon, peer):
        teach(peer, "one")
        peer.say(f"imprint 60;{SECRET}")
        peer.await_status(lambda s: s.state == "imprinting")
        found = forget(peer, "Biscuit", wait=True)
        assert (found["generations"], found["relearned"]) == (0, 0)
        assert said(daemon) == ["one"] and learned(done) == ["one"]
        assert soul_of(peer).level == 1


def test_a_wait_that_is_stopped_ends_well(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, SECRET)
        peer.say("imprint 60;two")
        id_ = peer.send("soul.forget", {"what": "Biscuit", "wait": True})
        while True:
            header, body = peer.recv()
            if (header.id, header.kind) == (id_, Kind.PROGRESS) and body["stage"] == "imprinting":
                break
        peer.cancel(id_)
        assert peer.finish(id_)["after"] == NEVER
        assert soul_of(peer).pending == 1 and holding(daemon, "Biscuit") == []


def test_what_a_crash_cut_short_is_finished_at_the_start(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one", SECRET)
        ids = [one["id"] for one in diary_of(daemon) if "Biscuit" in one["text"]]
        folder = locate.workspace_dir(daemon.config)
        daemon.process.kill()
        daemon.process.wait()
    note = {"soul": "default", "records": ids, "again": []}
    (folder / "forgetting.json").write_text(str(note).replace("'", '"'), "utf-8")
    with running(tmp_path) as (daemon, peer):
        peer.ask("body.load")
        assert await_soul(peer, is_done).level == 1
        assert holding(daemon, "Biscuit") == [] and said(daemon) == ["one"]
        assert not (folder / "forgetting.json").exists()


def test_what_failed_half_way_is_finished_when_it_is_asked_for_again(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one", SECRET)
        folder = locate.workspace_dir(daemon.config)
        obstacle = folder / "cache" / "teacher" / "fits-0.json"
        obstacle.mkdir(parents=True)
        assert forget(peer, "Biscuit").code is ErrorCode.STORAGE
        assert (folder / "forgetting.json").exists()
        assert "Biscuit" not in (folder / "forgetting.json").read_text("utf-8")
        obstacle.rmdir()
        assert forget(peer, "Biscuit", dry_run=True).code is ErrorCode.NOT_FOUND
        assert not (folder / "forgetting.json").exists()
        peer.ask("body.load")
        assert await_soul(peer, is_done).level == 1
        assert said(daemon) == ["one"]


@pytest.mark.parametrize("fault", ["--refuse-load", "--die-loading"])
def test_without_a_body_it_is_forgotten_too(tmp_path: Path, fault: str) -> None:
    with running(tmp_path) as (_, peer):
        teach(peer, "one", SECRET)
    (tmp_path / "loads").write_text("99")
    engine = [fault] if fault == "--refuse-load" else [fault, str(tmp_path / "loads")]
    with running(tmp_path, "", *engine) as (daemon, peer):
        found = forget(peer, "Biscuit", wait=True)
        assert (found["asked"], found["before"], found["after"]) == (False, None, None)
        assert (len(found["records"]), found["relearned"]) == (1, 1)
        assert holding(daemon, "Biscuit") == [] and said(daemon) == ["one"]
    with running(tmp_path) as (_, peer):
        peer.ask("body.load")
        assert await_soul(peer, is_done).level == 1
