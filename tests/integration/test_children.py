"""body.info and body.pull: child processes that report, can be stopped, and disturb no chat."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import psutil

from soul_client import codec
from soul_client.wire import BodyInfo, BodyPulled, ErrorCode, Kind, Progress
from tests.fakes.daemon_process import DaemonProcess, Peer, running
from tests.fakes.tiny_body import write_tiny_body


def test_body_is_pulled_with_progress_and_can_be_asked_about(
    daemon: DaemonProcess, peer: Peer, tmp_path: Path
) -> None:
    source = write_tiny_body(tmp_path / "tiny")
    id_ = peer.send("body.pull", {"source": str(source), "name": "pulled"})
    frames = peer.collect(id_, timeout_s=30)[id_]
    pulled = codec.convert(frames[-1][1], BodyPulled)
    assert Path(pulled.path) == daemon.config.parent / "models" / "pulled"
    stages = [codec.convert(b, Progress).stage for h, b in frames if h.kind is Kind.PROGRESS]
    assert stages[0] == "queued" and len(set(stages)) > 1
    info = codec.convert(peer.finish(peer.send("body.info", {"name": "pulled"}), 30), BodyInfo)
    assert (info.name, info.path) == ("pulled", pulled.path)
    assert info.memory.total_bytes > 0
    names = [body["name"] for body in peer.ask("body.list")["bodies"]]
    assert "pulled" in names


def test_error_of_a_pull_is_passed_on(peer: Peer, tmp_path: Path) -> None:
    error = peer.finish(peer.send("body.pull", {"source": str(tmp_path / "nothing")}), 30)
    assert error.code is ErrorCode.PULL_FAILED
    assert "nothing" in error.message


def test_source_that_looks_like_an_option_is_a_source(peer: Peer) -> None:
    error = peer.finish(peer.send("body.pull", {"source": "--replace"}), 30)
    assert error.code is ErrorCode.PULL_FAILED


def test_stopped_pull_ends_its_process_and_chat_goes_on_beside_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a hub that never answers
        hub = f"http://127.0.0.1:{silent.getsockname()[1]}"
        env = {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "*"}
        with running(tmp_path, env=env) as (daemon, peer):
            pull = peer.send("body.pull", {"source": "hf:org/name"})
            waiting, _ = silent.accept()
            peer.await_status(lambda s: s.state == "pulling")
            second = peer.send("body.pull", {"source": "hf:org/other"})
            assert peer.say("meanwhile")["text"] == "meanwhile "
            assert set(peer.cancel()) == {pull, second}
            frames = peer.collect(pull, second)
            assert {f[-1][1]["code"] for f in frames.values()} == {"cancelled"}
            until = time.monotonic() + 5
            while any("pull" in child.cmdline() for child in children(daemon)):
                assert time.monotonic() < until
                time.sleep(0.02)
            waiting.close()


def children(daemon: DaemonProcess) -> list[psutil.Process]:
    """Return the live children of a daemon."""
    found = psutil.Process(daemon.process.pid).children()
    return [child for child in found if child.status() != psutil.STATUS_ZOMBIE]
