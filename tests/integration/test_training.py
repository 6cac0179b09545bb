"""``body.train`` and ``body.export`` through a real daemon: stopped, gone on with, written."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from soul_client import codec
from soul_client.wire import BodyEvaluated, BodyExported, BodyTrained, Error, ErrorCode, Kind
from sould.training.checkpoint import STATE
from tests.fakes.daemon_process import DaemonProcess, Peer, running, write_config

ORDER = {"name": "story", "preset": "nano", "steps": 3}


@pytest.fixture
def texts(tmp_path: Path) -> str:
    draw = random.Random(0)
    lines = (f"{draw.choice('ABCDEFGH')}nn has {draw.randrange(50)} kites.\n" for _ in range(8000))
    (tmp_path / "story.txt").write_text("".join(lines), "utf-8")
    return str(tmp_path / "story.txt")


def test_a_body_is_trained_stopped_gone_on_with_and_exported(tmp_path: Path, texts: str) -> None:
    with running(tmp_path) as (_, peer):
        _train_stop_and_export(peer, ORDER | {"texts": texts}, tmp_path / "models")


def _train_stop_and_export(peer: Peer, order: dict[str, Any], models: Path) -> None:
    first = peer.send("body.train", order)
    while True:
        header, body = peer.recv(100)
        if header.id == first and header.kind is Kind.PROGRESS and body["stage"] == "training":
            break
    second = peer.finish(peer.send("body.train", order))
    assert isinstance(second, Error) and second.code is ErrorCode.BUSY
    peer.cancel(first)
    stopped = peer.finish(first)
    assert isinstance(stopped, Error) and stopped.code is ErrorCode.CANCELLED
    assert stopped.hint == "the same command goes on with it"
    frames = peer.collect(again := peer.send("body.train", order), timeout_s=100)[again]
    trained = codec.convert(frames[-1][1], BodyTrained)
    done = [b["done"] for h, b in frames if h.kind is Kind.PROGRESS and b["stage"] == "training"]
    assert done and done[0] > 1 and done[-1] == 3, "what was done is not done again"
    losses = [b["loss"] for h, b in frames if h.kind is Kind.PROGRESS and b["stage"] == "training"]
    assert all(0 < loss < 20 for loss in losses)
    assert (trained.name, trained.steps) == ("story", 3)
    assert trained.perplexity > 1 and trained.perplexity_still > 1 and trained.bits_per_byte > 0
    assert peer.ask("body.info", {"name": "story"})["family"] == "bit_ttt"
    ask = {"name": "story", "texts": order["texts"], "window": 64}
    marks = peer.finish(peer.send("body.evaluate", ask), 60)  # it compiles the kernel first
    _assert_measured(codec.convert(marks, BodyEvaluated))
    target = models / "story-file.bitt"
    answer = peer.ask("body.export", {"name": "story", "path": str(target)})
    assert codec.convert(answer, BodyExported).size_bytes == target.stat().st_size
    infos = [peer.ask("body.info", {"name": name}) for name in ("story", "story-file")]
    assert infos[0]["fingerprint"] == infos[1]["fingerprint"]


def _assert_measured(marks: BodyEvaluated) -> None:
    still = marks.still
    assert (marks.family, marks.window, len(marks.by_position)) == ("bit_ttt", 64, 8)
    assert still is not None and still.perplexity > 1 and marks.perplexity > 1
    assert min(marks.by_position) <= marks.perplexity <= max(marks.by_position)
    assert 0 <= marks.recall <= 1 and 0 <= marks.first <= 1 and marks.bits_per_byte > 0


def test_what_cannot_be_trained_on_is_refused(daemon: DaemonProcess, peer: Peer) -> None:
    answer = peer.finish(peer.send("body.train", ORDER | {"texts": "/nowhere"}), 60)
    assert isinstance(answer, Error) and answer.code is ErrorCode.BAD_REQUEST
    assert "there is no text in" in answer.message


def test_what_cannot_be_a_path_is_refused(daemon: DaemonProcess, peer: Peer) -> None:
    path = "a\0b"
    for method, order in (
        ("body.export", {"name": "story", "path": path}),
        ("body.evaluate", {"name": "story", "texts": path}),
        ("body.train", {"name": "story", "texts": path}),
    ):
        answer = peer.finish(peer.send(method, order))
        assert isinstance(answer, Error) and answer.code is ErrorCode.BAD_REQUEST, method
        assert "a name or path" in answer.message


def test_a_training_nobody_listens_to_any_more_saves_and_ends(tmp_path: Path, texts: str) -> None:
    config = write_config(tmp_path)
    command = [sys.executable, "-m", "sould", "train", "--config", str(config), "--preset", "nano"]
    child = subprocess.Popen([*command, "story", texts], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    line = next(line for line in child.stdout if '"training"' in line)
    assert '"done":1,' in line
    child.stdout.close()
    assert child.wait(100) == 1
    state = json.loads((tmp_path / "workspace" / "training" / "story" / STATE).read_bytes())
    assert state["step"] >= 1
