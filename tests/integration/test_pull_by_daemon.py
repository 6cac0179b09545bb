"""``body.pull`` and ``body.info`` through a real daemon, from a hub on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soul_client import codec
from soul_client.wire import BodyInfo, BodyPulled, Error, ErrorCode, Kind
from tests.fakes.daemon_process import DaemonProcess, Peer, write_config
from tests.fakes.hub_server import HubServer, Repo, files_of, serve_hub
from tests.fakes.tiny_body import write_tiny_body


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with serve_hub() as server:
        body = write_tiny_body(tmp_path / "original", "qwen3", hidden_size=256)
        server.repos["org/tiny"] = Repo(files_of(body))
        yield server


@pytest.fixture
def daemon(tmp_path: Path, hub: HubServer) -> Iterator[DaemonProcess]:
    env = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "*"}
    process = DaemonProcess(write_config(tmp_path), env=env)
    yield process
    process.close()


@pytest.fixture
def peer(daemon: DaemonProcess) -> Iterator[Peer]:
    peer = Peer(daemon.await_ready())
    yield peer
    peer.close()


def test_a_pulled_body_is_listed_and_described(peer: Peer, hub: HubServer) -> None:
    frames = peer.collect(id_ := peer.send("body.pull", {"source": "hf:org/tiny"}), timeout_s=60)
    stages = {body["stage"] for header, body in frames[id_] if header.kind is Kind.PROGRESS}
    assert {"downloading", "checking", "placing"} <= stages
    pulled = codec.convert(frames[id_][-1][1], BodyPulled)
    assert files_of(Path(pulled.path)) == hub.repos["org/tiny"].files
    assert "tiny" in {body["name"] for body in peer.ask("body.list")["bodies"]}
    info = codec.convert(peer.ask("body.info", {"name": "tiny"}), BodyInfo)
    assert (info.name, info.family, info.licence) == ("tiny", "qwen3", "apache-2.0")


def test_a_pull_that_fails_says_why(peer: Peer) -> None:
    answer = peer.finish(peer.send("body.pull", {"source": "hf:org/nowhere"}), timeout_s=60)
    assert isinstance(answer, Error) and answer.code is ErrorCode.PULL_FAILED
    assert "is not on the hub" in answer.message and answer.hint


def test_a_cancelled_pull_is_gone_on_with_by_the_next(
    daemon: DaemonProcess, peer: Peer, hub: HubServer
) -> None:
    hub.chunk_wait_s = 0.02
    id_ = peer.send("body.pull", {"source": "hf:org/tiny"})
    draft = daemon.config.parent / "models" / ".partial" / "tiny" / "work" / "model.safetensors"
    give_up_at = time.monotonic() + 30
    while not (draft.is_file() and draft.stat().st_size):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    assert peer.cancel(id_) == [id_]
    answer = peer.finish(id_)
    assert isinstance(answer, Error) and answer.code is ErrorCode.CANCELLED
    assert not (draft.parents[3] / "tiny").exists()
    hub.chunk_wait_s = 0
    assert peer.finish(peer.send("body.pull", {"source": "hf:org/tiny"}), 60)["name"] == "tiny"
    assert hub.fetched("model.safetensors")[-1].startswith("bytes=")
