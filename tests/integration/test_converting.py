"""``body.convert`` through a real daemon: a body made, measured, refused, stopped."""

from __future__ import annotations

from pathlib import Path

from soul_client import codec
from soul_client.wire import BodyConverted, Error, ErrorCode, Kind
from tests.fakes.daemon_process import DaemonProcess, Peer, running
from tests.fakes.tiny_body import write_tiny_body


def test_a_body_is_converted_and_is_one_like_any_other(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        models = tmp_path / "models"
        write_tiny_body(models / "tiny", tie_word_embeddings=False)
        _convert_and_measure(peer, models)
        _teach(peer)
        _stop_one(peer, models)


def _convert_and_measure(peer: Peer, models: Path) -> None:
    frames = peer.collect(
        id_ := peer.send("body.convert", {"name": "tiny", "bases": [2, 1]}), timeout_s=100
    )[id_]
    done = codec.convert(frames[-1][1], BodyConverted)
    assert [(row.name, row.bases) for row in done.rows] == [
        *(("tiny", 0), ("tiny-b1", 1), ("tiny-b2", 2)),
    ]
    assert all(1 < row.perplexity < 1e6 for row in done.rows)
    sizes = [row.size_bytes for row in done.rows]
    assert sizes[1] < sizes[2] < sizes[0] and done.measured_tokens > 500
    stages = {body["stage"] for header, body in frames if header.kind is Kind.PROGRESS}
    assert stages >= {"loading", "evaluating", "converting", "placing"}
    for row in done.rows[1:]:
        assert row.path == str(models / row.name)
        info = peer.ask("body.info", {"name": row.name})
        assert info["quantisation"] == f"{row.bases} × TERNARY"
        assert info["memory"]["weights_bytes"] == row.memory_bytes
        assert 0 < info["size_bytes"] - row.size_bytes < 1 << 14  # the header
    again = peer.finish(peer.send("body.convert", {"name": "tiny", "bases": [1]}), 60)
    assert isinstance(again, Error) and "tiny-b1 is there already" in again.message
    twice = peer.finish(peer.send("body.convert", {"name": "tiny-b1"}), 60)
    assert isinstance(twice, Error) and "ternary weights already" in twice.message


def _teach(peer: Peer) -> None:
    order = {"name": "tiny", "bases": [1], "distill": 4, "target": "taught"}
    done = codec.convert(peer.finish(peer.send("body.convert", order), 100), BodyConverted)
    assert [(row.bases, row.steps, bool(row.path)) for row in done.rows] == [
        *((0, 0, True), (1, 0, False), (1, 4, True)),
    ]
    assert done.rows[1].size_bytes == done.rows[2].size_bytes
    infos = [peer.ask("body.info", {"name": name}) for name in ("tiny-b1", "taught")]
    assert infos[0]["fingerprint"] != infos[1]["fingerprint"]


def _stop_one(peer: Peer, models: Path) -> None:
    id_ = peer.send("body.convert", {"name": "tiny", "bases": [4], "target": "other-tiny"})
    while True:
        header, body = peer.recv(100)
        if header.id == id_ and header.kind is Kind.PROGRESS and body["stage"] == "converting":
            break
    second = peer.finish(peer.send("body.convert", {"name": "tiny", "dry_run": True}))
    assert isinstance(second, Error) and second.code is ErrorCode.BUSY
    peer.cancel(id_)
    stopped = peer.finish(id_)
    assert isinstance(stopped, Error) and stopped.code is ErrorCode.CANCELLED
    assert not [path for path in models.iterdir() if "other" in path.name and path.is_dir()]


def test_what_cannot_be_converted_is_refused(daemon: DaemonProcess, peer: Peer) -> None:
    for order, code in (
        ({"name": "nowhere"}, ErrorCode.BODY_MISSING),
        ({"name": "other"}, ErrorCode.BODY_INVALID),
        ({"name": "other", "bases": [1, 2], "target": "x"}, ErrorCode.BAD_REQUEST),
        ({"name": "other", "bases": []}, ErrorCode.BAD_REQUEST),
        ({"name": "other", "bases": [5]}, ErrorCode.BAD_REQUEST),
        ({"name": "other", "texts": "a\0b"}, ErrorCode.BAD_REQUEST),
    ):
        answer = peer.finish(peer.send("body.convert", order), 60)
        assert isinstance(answer, Error) and answer.code is code, (order, answer)
