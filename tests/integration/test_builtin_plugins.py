"""The plugins that come with the daemon, in a daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from soul_client import locate
from soul_client.wire import Status
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running
from tests.fakes.soul_watch import await_soul, is_done

NIGHTLY = "soul_nightly/sleep"


def plugins(*enabled: str, **settings: dict[str, Any]) -> str:
    """Return the section of a config, as the JSON that YAML is, too."""
    budget = {"time_budget_ms": 2000}  # the machine of the tests has much else to do
    return f"plugins: {json.dumps({'enabled': enabled, 'settings': settings, **budget})}"


def job(status: Status) -> Any:
    return next((one for one in status.jobs if one.name == NIGHTLY), None)


def prompt_of(peer: Peer, text: str, **more: Any) -> str:
    said = peer.say(text, echo_prompt=True, **more)
    return str(said["prompt"])


def cache_of(daemon: DaemonProcess) -> bytes:
    folder = locate.workspace_dir(daemon.config) / "cache" / "plugins"
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_missed_night_is_slept_once_and_the_next_one_is_told_of(tmp_path: Path) -> None:
    nightly = {"at": "00:00", "until": "00:01", "idle_minutes": 0.02, "time_zone": "Asia/Tokyo"}
    text = plugins("soul_nightly", soul_nightly=nightly)
    with running(tmp_path, text) as (daemon, peer):
        peer.say("one")
        await_soul(peer, is_done)
        status = peer.await_status(lambda s: job(s) is not None)
        assert (job(status).waiting_for, job(status).last_at) == ("time", "")
        assert job(status).next_at[11:19].endswith(":00:00")
        noted = locate.workspace_dir(daemon.config) / "jobs.json"
        assert daemon.terminate() == 0
    days = json.loads(noted.read_text())[NIGHTLY]["days"]
    noted.write_text(json.dumps({NIGHTLY: {"days": ["2026-01-01"]}}))
    with running(tmp_path, text) as (daemon, peer):

        def has_slept(status: Status) -> bool:
            peer.ask("body.list")  # as apps do, to see whether the daemon is there
            return job(status) is not None and job(status).last_at != ""

        peer.await_status(has_slept, 20)
        peer.await_status(lambda s: job(s).waiting_for == "time")
        assert peer.ask("soul.report")["outcome"] == "kept"
    assert json.loads(noted.read_text())[NIGHTLY]["days"] == ["2026-01-01", *days]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"at": "25:00"}, "soul_nightly.at"), ({"time_zone": "Asia/Tokio"}, "Asia/Tokio")],
)
def test_a_wrong_setting_is_named(tmp_path: Path, wrong: dict[str, Any], told: str) -> None:
    with running(tmp_path, plugins("soul_nightly", soul_nightly=wrong)) as (daemon, peer):
        peer.say("hello")
        assert job(peer.status()) is None
        assert told in daemon.log()


def test_a_note_of_the_diary_is_put_before_a_question(tmp_path: Path) -> None:
    with running(tmp_path, plugins("soul_notes")) as (daemon, peer):
        peer.say("My tortoise is called Gherkin.")
        peer.say("My PIN is 1234, and my tortoise likes pin numbers: password hunter2!")
        peer.say("My tortoise is called Secret.", off_record=True)
        told = diary_of(daemon)[0]["id"]
        said = peer.say("What is my tortoise called?", echo_prompt=True)
        assert "My tortoise is called Gherkin." in said["prompt"]
        assert "Secret" not in said["prompt"] and "hunter2" not in said["prompt"]
        (note,) = said["notes"]
        assert (note["plugin"], note["records"][0]) == ("soul_notes", told)
        assert diary_of(daemon)[-2]["text"] == "What is my tortoise called?"
        asked = "What is my tortoise called?"
        for off in ({"notes": False}, {"off_record": True}, {"bare": True}):
            assert prompt_of(peer, asked, **off) == f"user: {asked}"
        assert peer.say("How are you?")["notes"] == []


def test_what_is_forgotten_is_in_no_note(tmp_path: Path) -> None:
    with running(tmp_path, plugins("soul_notes")) as (daemon, peer):
        peer.say("My tortoise is called Gherkin.")
        await_soul(peer, is_done)
        assert "Gherkin" in prompt_of(peer, "What is my tortoise called?")
        assert b"Gherkin" in cache_of(daemon)
        assert peer.ask("soul.forget", {"what": "Gherkin"})["records"]
        assert b"Gherkin" not in cache_of(daemon)
        assert "Gherkin" not in prompt_of(peer, "What is my tortoise called?")
        assert b"Gherkin" not in cache_of(daemon)


def test_the_greeter_tells_the_time_once_in_a_conversation(tmp_path: Path) -> None:
    with running(tmp_path, plugins("soul_greeter")) as (_, peer):
        first = peer.say("hello", echo_prompt=True)
        assert first["prompt"].startswith("user: (It is ") and first["notes"][0]["records"] == []
        again = peer.say("hello", session=first["session"], echo_prompt=True)
        assert again["prompt"].endswith("\nuser: hello") and again["notes"] == []
