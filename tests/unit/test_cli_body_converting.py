"""``soul body convert``, against a scripted daemon."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from soul_cli.exits import Exit
from soul_cli.run import run
from soul_client import wire
from soul_client.wire import Kind, Progress
from tests.fakes.fake_daemon import answer, fake_daemon

CONVERTED = wire.BodyConverted(
    rows=[
        wire.ConvertedRow(
            name="mine", path="/m/mine.gguf", bases=0, steps=0, bits_per_weight=5.0,
            size_bytes=98_000_000, memory_bytes=97_000_000, perplexity=28.234,
        ),
        wire.ConvertedRow(
            name="mine-b2", path="/m/mine-b2", bases=2, steps=50, bits_per_weight=3.7,
            size_bytes=79_000_000, memory_bytes=89_000_000, perplexity=30.5,
        ),
    ],
    read_tokens=4096,
    measured_tokens=2040,
)  # fmt: skip


def test_a_table_of_size_against_perplexity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "a.txt"
    text.write_text("Once upon a time", "utf-8")
    with fake_daemon(tmp_path) as daemon:
        daemon.scripts["body.convert"] = answer(
            (Kind.ACK, wire.Ack()),
            (Kind.PROGRESS, Progress(stage="converting", done=7, total=210, note="N = 2")),
            (Kind.DONE, CONVERTED),
        )
        soul = ["--config", str(daemon.config), "--lang", "en", "body", "convert"]
        given = ["--bases", "2", "--bases", "2", "--text", str(text), "--distill", "50"]
        assert run([*soul, "mine", *given]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "body     bases     taught  bits a weight  file   memory  perplexity",
            "mine     original          5.00           98 MB  97 MB   28.23",
            "mine-b2  2         50      3.70           79 MB  89 MB   30.50",
            "Perplexity: of 2,040 tokens of text that no body was fitted to.",
            "mine-b2 is in /m/mine-b2",
        ]
        asked = [raw for header, raw in daemon.requests if header.method == "body.convert"]
        assert asked[-1] == {
            "name": "mine", "bases": [2], "target": "", "texts": str(text), "distill": 50,
            "dry_run": False,
        }  # fmt: skip
        assert run([*soul, "mine", "--as", "small", "--dry-run", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == msgspec.to_builtins(CONVERTED)
        asked = [raw for header, raw in daemon.requests if header.method == "body.convert"]
        assert asked[-1] == {
            "name": "mine", "bases": [3], "target": "small", "texts": "", "distill": 0,
            "dry_run": True,
        }  # fmt: skip
        assert run([*soul, "mine", "--bases", "5"]) == Exit.USAGE
        assert run([*soul, "mine", "--text", str(tmp_path / "none")]) == Exit.USAGE
