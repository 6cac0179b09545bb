"""Off the record: said, answered, and nowhere to be found afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from soul_client import locate
from soul_client.client import Client
from soul_client.wire import ErrorCode
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running


def heard(peer: Peer, session: str, **more: Any) -> list[str]:
    """Return the messages the engine gets with a turn, the system prompt and itself left out."""
    got = json.loads(peer.say("messages", session=session, **more)["text"])["messages"]
    return [text for role, text in got[:-1] if role != "system"]


def test_such_a_turn_is_in_no_diary_and_no_list(daemon: DaemonProcess, peer: Peer) -> None:
    before = diary_of(daemon)
    done = peer.say("a quiet word", off_record=True)
    assert (done["text"], done["recorded"]) == ("a quiet word ", False)
    assert diary_of(daemon) == before
    workspace = locate.workspace_dir(daemon.config)
    files = [path for path in workspace.rglob("*") if path.is_file()]
    assert files and not any(b"a quiet word" in path.read_bytes() for path in files)
    assert all(one["session"] != done["session"] for one in peer.ask("session.list")["sessions"])
    assert peer.ask("session.get", {"session": done["session"]}).code is ErrorCode.NOT_FOUND


def test_it_sees_the_past_and_no_recorded_turn_sees_it(peer: Peer) -> None:
    peer.say("open", session="mixed")
    peer.say("hidden one", session="mixed", off_record=True)
    private = heard(peer, "mixed", off_record=True)
    assert private == ["open", "open ", "hidden one", "hidden one "]
    assert heard(peer, "mixed") == ["open", "open "]
    assert "hidden one" not in heard(peer, "mixed", off_record=True)  # a recorded turn ended it


def test_another_client_does_not_see_it(peer: Peer, other: Peer) -> None:
    peer.say("between us", session="ours", off_record=True)
    assert heard(other, "ours", off_record=True) == []
    assert heard(peer, "ours", off_record=True) == ["between us", "between us "]


def test_no_event_tells_of_it_but_the_request(daemon: DaemonProcess, peer: Peer) -> None:
    with Client(daemon.config) as client, client.events() as events:
        welcome = events.read(timeout_s=10)  # what is said before it comes may not be heard
        assert welcome is not None and welcome.event.name == "welcome"
        client.ask("psst", session="quiet", off_record=True)
        client.ask("aloud", session="loud")
        seen = []
        for one in events:
            seen.append(one.event)
            if one.event.name == "turn":
                break
    assert seen[-1].data["session"] == "loud"
    assert sum(event.data.get("phase") == "done" for event in seen) >= 1


def test_a_stopped_one_stays_off_the_record(daemon: DaemonProcess, peer: Peer) -> None:
    before = diary_of(daemon)
    id_ = peer.chat("delay 0.02;tokens 1000", off_record=True)
    peer.await_chunk(id_)
    peer.cancel(id_)
    done = peer.finish(id_)
    assert (done["finish"], done["recorded"]) == ("cancelled", False) and done["text"]
    assert diary_of(daemon) == before


def test_only_the_latest_conversations_are_kept(peer: Peer) -> None:
    for n in range(6):
        peer.say(f"word {n}", session=f"many-{n}", off_record=True)
    kept = [bool(heard(peer, f"many-{n}", off_record=True)) for n in (5, 4, 3, 2)]
    assert all(kept)
    assert heard(peer, "many-0", off_record=True) == []


def test_the_prompt_is_told_when_it_is_asked_for(peer: Peer) -> None:
    assert peer.say("Hello")["prompt"] is None
    done = peer.say("Hello", echo_prompt=True)
    assert done["prompt"] == "system: Be kind.\nuser: Hello"


@pytest.mark.parametrize(("setting", "is_on"), [("on", True), ("off", False)])
def test_the_config_can_turn_memory_off(tmp_path: Path, setting: str, is_on: bool) -> None:
    with running(tmp_path, f"memory: {setting}") as (daemon, peer):
        assert peer.status().memory is is_on
        assert peer.ask("config.show")["values"]["memory"] is is_on
        assert peer.say("hello", session="s")["recorded"] is is_on
        assert heard(peer, "s") == ["hello", "hello "]
        assert bool(diary_of(daemon)) is is_on
