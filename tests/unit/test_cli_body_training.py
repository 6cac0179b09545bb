"""``soul body train`` and ``soul body export``, against a scripted daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from soul_cli.exits import Exit
from soul_cli.run import run
from soul_client import wire
from soul_client.wire import Kind, Progress
from tests.fakes.fake_daemon import FakeDaemon, answer, fake_daemon

TRAINED = wire.BodyTrained(
    name="story", path="/m/story", parameters=4_100_000, steps=40, loss=3.2109, perplexity=24.8,
    perplexity_still=31.0, bits_per_byte=1.2345, train_tokens=120_000, tokens_per_s=950.4,
)  # fmt: skip
EVALUATED = wire.BodyEvaluated(
    name="story", family="bit_ttt", tokens=5000, window=128, perplexity=24.8, bits_per_byte=1.2345,
    by_position=[30.04, 20.0], recall=0.625, first=0.25,
    still=wire.StillMarks(perplexity=31.0, by_position=[32.0, 31.0], recall=0.2),
)  # fmt: skip
EXPORTED = wire.BodyExported(path="/x/story.bitt", format="bitt", size_bytes=16_400_000)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with fake_daemon(tmp_path) as running:
        steps = (
            Progress(stage="training", done=n, total=40, note="ppl 9.0", loss=1 / n)
            for n in (1, 2, 40)
        )
        running.scripts["body.train"] = answer(
            (Kind.ACK, wire.Ack()), *((Kind.PROGRESS, step) for step in steps),
            (Kind.DONE, TRAINED),
        )  # fmt: skip
        running.scripts["body.evaluate"] = answer((Kind.DONE, EVALUATED))
        running.scripts["body.export"] = answer((Kind.DONE, EXPORTED))
        yield running


def asked(daemon: FakeDaemon, method: str) -> Any:
    return next(raw for header, raw in reversed(daemon.requests) if header.method == method)


def test_training_says_how_it_goes_and_what_came_of_it(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soul = ["--config", str(daemon.config), "--lang", "en", "body", "train"]
    texts = tmp_path / "texts"
    texts.mkdir()
    assert run([*soul, "story", str(texts), "--preset", "nano", "--steps", "40"]) == 0
    out, err = capsys.readouterr()
    rows = dict(line.rsplit("  ", 1) for line in out.splitlines())
    shown = {key.strip(): value.strip() for key, value in rows.items()}
    assert shown["perplexity of held-out text"] == "24.80"
    assert shown["the same, states still"] == "31.00"
    assert shown["parameters"] == "4,100,000"
    assert [line for line in err.splitlines() if "/40" in line] == [
        "40/40  0.025  ppl 9.0",
    ]
    assert asked(daemon, "body.train") == {
        "name": "story", "texts": str(texts), "preset": "nano", "steps": 40, "seed": 0,
        "diary": False,
    }  # fmt: skip
    assert run([*soul, "story", str(texts), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == msgspec.to_builtins(TRAINED)
    assert run([*soul, "story", str(tmp_path / "none")]) == Exit.USAGE
    assert run([*soul, "story"]) == Exit.USAGE
    assert run([*soul, "story", "--diary"]) == 0
    assert asked(daemon, "body.train") | {"preset": ""} == {
        "name": "story", "texts": "", "preset": "", "steps": 0, "seed": 0, "diary": True,
    }  # fmt: skip


def test_a_body_is_exported(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soul = ["--config", str(daemon.config), "--lang", "en", "body", "export"]
    assert run([*soul, "story", str(tmp_path / "story.bitt")]) == 0
    assert capsys.readouterr().out == "/x/story.bitt: 16 MB, as bitt\n"
    assert asked(daemon, "body.export") == {
        "name": "story", "path": str(tmp_path / "story.bitt"), "format": "bitt",
    }  # fmt: skip
    assert run([*soul, "story", "x", "--format", "gguf"]) == Exit.USAGE


def test_a_body_is_measured(
    daemon: FakeDaemon, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "a.txt"
    text.write_text("Once upon a time", "utf-8")
    soul = ["--config", str(daemon.config), "--lang", "en", "body", "evaluate", "story", str(text)]
    assert run([*soul, "--window", "128"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit("  ", 1)[-1].strip() for line in lines] == [
        *("story (bit_ttt)", "5,000", "24.80", "1.234", "30.0 20.0", "25.0%", "62.5%"),
        *("31.00", "32.0 31.0", "20.0%"),
    ]  # fmt: skip
    asks = {"name": "story", "texts": str(text), "window": 128}
    assert asked(daemon, "body.evaluate") == asks
    assert run([*soul, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == msgspec.to_builtins(EVALUATED)
