"""body.*: loaded, unloaded, missing, removed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from soul_client import codec
from soul_client.wire import (
    BodyList,
    ErrorCode,
    LoadedBody,
)
from tests.fakes.daemon_process import DaemonProcess, Peer


def test_body_is_loaded_listed_and_unloaded(peer: Peer) -> None:
    loaded = codec.convert(peer.ask("body.load", {"name": "other"}), LoadedBody)
    assert loaded.name == "other"
    bodies = codec.convert(peer.ask("body.list"), BodyList).bodies
    assert {b.name: b.loaded for b in bodies} == {"other": True, "smollm2-135m-instruct": False}
    status = peer.status()
    assert status.body == loaded
    pid = status.engine.pid
    assert peer.ask("body.load", {"name": "other"}) == msgspec.to_builtins(loaded)
    assert peer.status().engine.pid == pid
    assert peer.ask("body.unload") == {}
    assert not Path(f"/proc/{pid}").exists()
    assert peer.status().engine.state == "absent"
    peer.say("loads again")
    assert peer.status().body == loaded
    peer.ask("body.load")


def test_loading_waits_for_replies_and_is_not_passed(peer: Peer, other: Peer) -> None:
    slow = peer.chat("delay 0.02;tokens 15")
    peer.await_chunk(slow)
    load = other.send("body.load", {"name": "other"})
    assert other.recv()[1]["position"] == 1
    after = peer.chat("after")
    assert other.finish(load)["name"] == "other"
    frames = peer.collect(slow, after)
    assert frames[slow][-1][1]["finish"] == "stop"
    peer.ask("body.load")


def test_missing_body_is_named_with_the_way_out(peer: Peer) -> None:
    answer = peer.ask("body.load", {"name": "othr"})
    assert answer.code is ErrorCode.BODY_MISSING
    assert "othr" in answer.message and "other" in answer.message


def test_body_removed_while_loaded(daemon: DaemonProcess, peer: Peer) -> None:
    path = daemon.config.parent / "models" / "other.gguf"
    data = path.read_bytes()
    peer.ask("body.load", {"name": "other"})
    path.unlink()
    assert peer.say("still talking")["text"] == "still talking "
    assert peer.ask("body.load", {"name": "other"}).code is ErrorCode.BODY_MISSING
    assert peer.say("still talking")["text"] == "still talking "
    peer.ask("body.unload")
    gone = peer.say("and now")
    assert gone.code is ErrorCode.BODY_MISSING and "other" in gone.message
    path.write_bytes(data)
    assert peer.say("back again")["text"] == "back again "
    peer.ask("body.load")


def test_catalog_suggests_one_body(peer: Peer) -> None:
    bodies = peer.ask("body.catalog")["bodies"]
    assert [b["suggested"] for b in bodies].count(True) == 1


def test_body_info_of_a_broken_file_is_an_error_that_names_it(peer: Peer) -> None:
    answer = peer.ask("body.info", {"name": "other"})
    assert answer.code is ErrorCode.BODY_INVALID
    assert "other.gguf" in answer.message
