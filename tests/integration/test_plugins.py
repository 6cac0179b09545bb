"""A daemon with plugins: what they may do to a turn, and what they may not do to the daemon."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psutil

from soul_client import codec
from soul_client.plugin_wire import PluginEntry, PluginList
from soul_client.wire import ErrorCode, Kind
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running
from tests.fakes.plugin_home import with_plugins
from tests.fakes.soul_watch import await_soul, is_done, soul_of

PING_S = 0.5  # the bar is 50 ms; the machine of the tests has much else to do


def plugins(*enabled: str, **settings: dict[str, Any]) -> str:
    """Return the section of a config, as the JSON that YAML is, too."""
    return f"plugins: {json.dumps({'enabled': enabled, 'settings': settings})}"


def listed(peer: Peer) -> dict[str, PluginEntry]:
    found = codec.convert(peer.ask("plugins.list"), PluginList)
    return {one.name: one for one in found.plugins}


def await_loaded(peer: Peer) -> dict[str, PluginEntry]:
    until_s = time.monotonic() + 20
    while True:
        found = listed(peer)
        if all(one.state != "starting" for one in found.values()):
            return found
        assert time.monotonic() < until_s, found
        time.sleep(0.02)


def states(peer: Peer, state: str) -> list[str]:
    return [name for name, one in listed(peer).items() if one.state == state]


def kept(record: Path) -> list[list[Any]]:
    return [json.loads(line) for line in record.read_text().splitlines()]


def test_a_note_is_in_the_prompt_and_nowhere_else(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    text = plugins("fake_note", fake_note={"record": str(record), "system": "Be brief."})
    with running(tmp_path, text, env=with_plugins()) as (daemon, peer):
        await_loaded(peer)
        session = peer.say("hello")["session"]
        said = peer.say("messages", session=session, echo_prompt=True, system="Be kind.")
        assert said["prompt"].splitlines() == [
            "system: Be kind.",
            "",
            "Be brief.",
            "user: hello",
            "assistant: note on hello hello ",
            "user: note on messages",
            "",
            "messages",
        ]
        assert said["notes"] == [
            {"plugin": "fake_note", "text": "Be brief.", "records": []},
            {"plugin": "fake_note", "text": "note on messages", "records": []},
        ]
        assert [record["text"] for record in diary_of(daemon)][::2] == ["hello", "messages"]
        off = peer.say("secretly", off_record=True, echo_prompt=True)
        bare = peer.say("barely", bare=True, echo_prompt=True)
        assert (off["prompt"], bare["prompt"]) == ("user: secretly", "user: barely")
        user = diary_of(daemon)[-2]
        assert daemon.terminate() == 0
    calls = kept(record)
    assert calls[0] == ["daemon_ready", str(tmp_path / "workspace")]
    assert [one[1]["text"] for one in calls if one[0] == "before_turn"] == ["hello", "messages"]
    after = [one[1] for one in calls if one[0] == "after_turn"]
    assert (after[-1]["id"], after[-1]["soul"], after[-1]["learn"]) == (
        user["id"],
        "default",
        True,
    )
    heard = {one[1] for one in calls if one[0] == "on_event"}
    assert {"turn", "request"} <= heard and not heard & {"log", "welcome"}
    assert calls[-1] == ["shutdown"]


def test_what_a_policy_objects_to_is_kept_and_not_learned(tmp_path: Path) -> None:
    with running(tmp_path, plugins("fake_policy"), env=with_plugins()) as (daemon, peer):
        await_loaded(peer)
        peer.say("my birthday is in May")
        peer.say("my cat is called Biscuit")
        assert [record["learn"] for record in diary_of(daemon)] == [False, False, True, True]


def test_the_daemon_answers_whatever_plugins_do(tmp_path: Path) -> None:
    bad = ("fake_raises", "fake_exits", "fake_blocks", "fake_dies", "fake_unimportable")
    text = plugins(*bad, "fake_note", "fake_nowhere")
    with running(tmp_path, text, env=with_plugins()) as (daemon, peer):
        slowest_s, until_s = 0.0, time.monotonic() + 60
        while len(disabled := states(peer, "disabled")) < 4:
            assert time.monotonic() < until_s, disabled
            turn = peer.chat("Gherkin is hungry")
            while not peer.rpc.poll(20):
                slowest_s = max(slowest_s, pinged_s(peer))
            assert peer.finish(turn)["text"].endswith("Gherkin is hungry ")
        assert slowest_s < PING_S
        found = await_loaded(peer)
        assert disabled == list(bad[:4])
        assert (found["fake_unimportable"].state, found["fake_nowhere"].state) == ("failed",) * 2
        assert (found["fake_note"].state, found["fake_note"].strikes) == ("on", 0)
        assert peer.say("at last")["notes"][0]["text"] == "note on at"
        log = daemon.log()
        for name in (*bad, "fake_nowhere"):
            assert f"plugin {name}" in log
        assert "Gherkin" not in log


def test_a_night_is_chosen_and_refused_by_plugins(tmp_path: Path) -> None:
    text = plugins("fake_night", fake_night={"refuse": "not tonight"})
    with running(tmp_path, text, env=with_plugins()) as (_, peer):
        await_loaded(peer)
        for said in ("my cat is called Biscuit", "my work is dull"):
            peer.say(said)
            await_soul(peer, is_done)
        level = soul_of(peer).level
        report = peer.ask("soul.sleep")
        assert (report["outcome"], report["why"]) == (
            "rolled_back",
            "plugin fake_night: not tonight",
        )
        assert (len(report["facts"]), report["left"]) == (1, 1)
        assert report["level"] == soul_of(peer).level == level
        whys = [one["why"] for one in peer.ask("soul.history")["generations"]]
        assert whys[:3] == ["refused", "sleep", "evening"]
        assert soul_of(peer).pending == 0
        peer.say("I play the cello")
        assert await_soul(peer, is_done).level > level


def test_a_soul_that_a_plugin_objects_to_is_not_taken_in(tmp_path: Path) -> None:
    text = plugins("fake_night", fake_night={"banned": "default"})
    with running(tmp_path, text, env=with_plugins()) as (_, peer):
        await_loaded(peer)
        peer.say("my cat is called Biscuit")
        await_soul(peer, is_done)
        path = str(tmp_path / "x.soul")
        peer.ask("soul.export", {"path": path})
        refused = peer.ask("soul.import", {"path": path, "name": "twin"})
        assert refused.code is ErrorCode.SOUL_INVALID
        assert refused.message.endswith("plugin fake_night: it is banned")
        assert [one["name"] for one in peer.ask("soul.list")["souls"]] == ["default"]


def test_plugins_come_and_go_while_the_daemon_runs(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    on = plugins("fake_note", "fake_policy", fake_note={"record": str(record)})
    declares = plugins("fake_declares")
    with running(tmp_path, plugins(), env=with_plugins()) as (daemon, peer):
        assert peer.say("hello", session="s", echo_prompt=True)["prompt"] == "user: hello"
        change(daemon, plugins(), on)
        await_enabled(peer, "fake_note", "fake_policy")
        assert peer.say("there", session="s")["notes"][0]["text"] == "note on there"
        change(daemon, on, plugins("fake_policy"))
        await_enabled(peer, "fake_policy")
        assert peer.say("again", session="s")["notes"] == []
        peer.say("my birthday is in May", session="s")
        change(daemon, plugins("fake_policy"), declares)
        peer.await_status(lambda s: [one.name for one in s.jobs] == ["fake_declares/night"])
        change(daemon, declares, plugins("fake_nowhere"))
        peer.await_status(lambda s: not s.jobs and not s.frontends)
        change(daemon, plugins("fake_nowhere"), plugins())
        await_enabled(peer)
        texts = [one["text"] for one in diary_of(daemon) if one["role"] == "user"]
        assert texts == ["hello", "there", "again", "my birthday is in May"]
        assert [one["learn"] for one in diary_of(daemon)][::2] == [True, True, True, False]
        assert len(peer.ask("session.get", {"session": "s"})["messages"]) == 8
        pid = daemon.process.pid
        assert not [one for one in psutil.Process(pid).children() if "plugin-host" in one.cmdline()]
    calls = [one[0] for one in kept(record)]
    assert (calls[0], calls[-1]) == ("daemon_ready", "shutdown")


def change(daemon: DaemonProcess, old: str, new: str) -> None:
    """Write other plugins into the config."""
    text = daemon.config.read_text()
    assert old in text
    daemon.config.write_text(text.replace(old, new))


def await_enabled(peer: Peer, *names: str) -> None:
    until_s = time.monotonic() + 20
    while {name for name, one in listed(peer).items() if one.enabled} != set(names) or any(
        one.state == "starting" for one in listed(peer).values()
    ):
        assert time.monotonic() < until_s, listed(peer)
        time.sleep(0.02)


def test_safe_mode_and_an_empty_list_start_no_host(tmp_path: Path) -> None:
    with running(tmp_path, plugins("fake_note"), env=with_plugins()) as (daemon, peer):
        await_loaded(peer)
        daemon.terminate()
    safe = DaemonProcess(daemon.config, safe_mode=True, env=with_plugins())
    try:
        peer = Peer(safe.await_ready())
        assert peer.say("hello", echo_prompt=True)["prompt"] == "user: hello"
        change(safe, plugins("fake_note"), plugins("fake_note", "fake_policy"))
        peer.await_status(lambda s: s.watched is not None and bool(s.watched.restart))
        assert not any(one.enabled for one in listed(peer).values())
        peer.close()
    finally:
        safe.close()


def pinged_s(peer: Peer) -> float:
    begun_s = time.monotonic()
    peer.control(Kind.PING)
    return time.monotonic() - begun_s
