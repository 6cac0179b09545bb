"""What every open page wants to know: how far long work is, how nights went, and settings."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from soul_client.client import Client
from soul_client.subscription import Subscription
from soul_client.wire import ErrorCode, Event
from tests.fakes.daemon_process import DaemonProcess, Peer, running
from tests.fakes.soul_watch import await_soul, is_done


def told_of(events: Subscription, method: str) -> list[Event]:
    """Return the progress events of a method, until a request for it has ended."""
    told = []
    for seen in events:
        name, data = seen.event.name, seen.event.data
        if name == "progress" and data["method"] == method:
            told.append(seen.event)
        elif name == "request" and (data["method"], data["phase"]) == (method, "done"):
            break
    return told


def test_progress_is_told_to_everybody(tmp_path: Path) -> None:
    with (
        running(tmp_path, "", "--load-s", "0.3") as (daemon, peer),
        Client(daemon.config) as client,
        client.events() as events,
    ):
        peer.finish(id_ := peer.send("body.load"))
        loaded = told_of(events, "body.load")
        assert {one.data["id"] for one in loaded} == {id_}
        assert "loading" in {one.data["progress"]["stage"] for one in loaded}
        peer.say("sleep 0.3;one")
        await_soul(peer, is_done)
        peer.ask("soul.sleep")
        slept = told_of(events, "soul.sleep")
        last = slept[-1].data["progress"]
        assert (last["stage"], last["total"], last["loss"]) == ("dreaming", 2, 0.5)
        times = [datetime.fromisoformat(one.ts).timestamp() for one in slept]
        assert len(times) >= 2 and min(b - a for a, b in pairwise(times)) >= 0.09


def test_nights_are_listed_oldest_first(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer), Client(daemon.config) as client:
        assert client.soul_reports().reports == []
        for text in ("one", "nightmare"):
            peer.say(text)
            await_soul(peer, is_done)
            peer.ask("soul.sleep")
        found = client.soul_reports()
        assert found.soul == "default"
        assert [one.outcome for one in found.reports] == ["kept", "rolled_back"]
        assert found.reports[0].after is not None and found.reports[0].facts == []
        assert [one.outcome for one in client.soul_reports(1).reports] == ["rolled_back"]


def test_a_setting_is_changed_in_the_file_and_counts(tmp_path: Path) -> None:
    with (
        running(tmp_path, "chat: {top_k: 7}  # ours\nmemory: on") as (daemon, peer),
        Client(daemon.config) as client,
    ):
        assert client.config_set("chat.top_k", 9).values["chat"]["top_k"] == 9
        assert '"top_k":9' in peer.say("sampling")["text"].replace(" ", "")
        assert "chat: {top_k: 9}  # ours\n" in daemon.config.read_text("utf-8")
        slow = peer.chat("delay 0.05;tokens 10")
        peer.await_chunk(slow)
        assert client.config_set("memory", False).values["memory"] is False
        assert peer.finish(slow)["recorded"]  # it began with memory
        assert not peer.say("hush")["recorded"]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("chat.topk", 1, "chat.top_k"),
        ("body.name", "other", "restart"),
        ("chat", {}, "no setting"),
        ("chat.top_k", -1, "line"),
        ("memory", "perhaps", "memory"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    daemon: DaemonProcess, peer: Peer, key: str, value: Any, told: str
) -> None:
    before = daemon.config.read_text("utf-8")
    refused = peer.ask("config.set", {"key": key, "value": value})
    assert refused.code is ErrorCode.BAD_REQUEST
    assert told in refused.message + refused.hint
    assert daemon.config.read_text("utf-8") == before
