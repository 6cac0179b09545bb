"""``soul`` from nothing to a reply: it starts the daemon, the real engine answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.kernel_cache import lend_kernels
from tests.fakes.soul_process import Soul
from tests.fakes.tiny_body import write_tiny_body

CONFIG = """
bit_ttt: 1
runtime_dir: {run}
models: {models}
body: {{name: {name}, device: cpu, threads: 1}}
"""


def soul_with(folder: Path, models: Path, name: str, kernels: Path) -> Soul:
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(run=folder / "run", models=models, name=name), "utf-8")
    lend_kernels(kernels, folder / "workspace" / "cache")
    return Soul(config)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, kernels: Path) -> Iterator[Soul]:
    folder = tmp_path_factory.mktemp("e")
    write_tiny_body(folder / "models" / "tiny")
    soul = soul_with(folder, folder / "models", "tiny", kernels)
    yield soul
    soul("down")


def test_the_first_message_starts_everything(tiny: Soul) -> None:
    done = tiny("chat", "--greedy", "--len", "8", input="Hello\nAgain\n", timeout_s=120)
    assert done.returncode == 0
    status = tiny.json("status")
    assert (status["state"], status["body"]["name"]) == ("idle", "tiny")
    session = tiny.json("sessions")["sessions"][0]
    assert (session["turns"], session["title"]) == (2, "Hello")


def test_a_greedy_reply_is_the_same_again_and_its_usage_is_told(tiny: Soul) -> None:
    one, two = (
        json.loads(tiny("ask", "Hi", "--greedy", "--len", "6", "--json", timeout_s=120).stdout)
        for _ in range(2)
    )
    assert one["text"] == two["text"]
    assert 0 < one["usage"]["reply_tokens"] <= 6
    assert one["usage"]["prompt_tokens"] > 0 and one["usage"]["decode_s"] > 0


def test_what_a_body_is(tiny: Soul) -> None:
    info = tiny.json("body", "info")
    assert info["family"] == "llama" and info["memory"]["fits"]
    assert "chat template" in tiny("body", "info").stdout


@pytest.mark.real_body
def test_the_default_body_answers(default_body: Path, tmp_path: Path, kernels: Path) -> None:
    soul = soul_with(tmp_path, default_body.parent, default_body.stem, kernels)
    try:
        done = soul("chat", "--greedy", "--len", "24", input="What is 2+2?\n", timeout_s=120)
        assert done.returncode == 0 and done.stdout.strip() and done.stdout.endswith("\n")
    finally:
        soul("down")
