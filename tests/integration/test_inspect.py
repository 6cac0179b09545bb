"""``sould inspect``: what a body is, read from its files in a moment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from soul_client.wire import BodyInfo
from sould.bodystore.inspect import inspect
from sould.bodystore.pull import pull
from sould.errors import BodyInvalid
from tests.fakes.tiny_body import write_tiny_body


def run_inspect(home: Path, body: str, *, config: str = "") -> tuple[int, dict[str, Any]]:
    """Run the program on a body of ``home/models`` and return its exit code and last line."""
    file = home / "config.yaml"
    file.write_text(f"bit_ttt: 1\nmodels: models\n{config}", "utf-8")
    command = [sys.executable, "-m", "sould", "inspect", "--config", str(file), body]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_a_folder_says_what_it_is(tmp_path: Path, family: str) -> None:
    folder = write_tiny_body(tmp_path / "tiny", family, shards=2)
    info = inspect(folder, name="tiny", cache_dir=tmp_path / "cache", budget_bytes=1 << 30)
    assert (info.name, info.path, info.format, info.family) == ("tiny", str(folder), "hf", family)
    assert (info.layers, info.hidden, info.vocabulary, info.context_max) == (2, 64, 259, 512)
    assert info.chat_template and info.quantisation == "F32"
    assert info.parameters * 4 <= info.size_bytes
    assert info.memory.weights_bytes == info.parameters * 4
    assert info.memory.fits and info.memory.budget_bytes == 1 << 30


def test_options_change_the_estimate(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")

    def total(**options: Any) -> int:
        return inspect(
            folder, name="tiny", cache_dir=tmp_path, budget_bytes=1 << 40, **options
        ).memory.total_bytes

    assert total(context_tokens=64) < total()
    assert total(parallel=1) < total(parallel=8)
    assert total(dtype="bfloat16") < total(dtype="float32")
    too_small = inspect(folder, name="tiny", cache_dir=tmp_path, budget_bytes=1)
    assert not too_small.memory.fits


def test_the_fingerprint_is_kept_until_the_files_change(tmp_path: Path) -> None:
    folder, cache = write_tiny_body(tmp_path / "tiny"), tmp_path / "cache"
    first = inspect(folder, name="tiny", cache_dir=cache)
    kept = next(cache.iterdir())
    kept.write_text(kept.read_text("utf-8").replace(first.fingerprint, "f" * 64), "utf-8")
    assert inspect(folder, name="tiny", cache_dir=cache).fingerprint == "f" * 64
    write_tiny_body(folder, seed=1)
    changed = inspect(folder, name="tiny", cache_dir=cache).fingerprint
    assert changed not in (first.fingerprint, "f" * 64)


def test_a_licence_known_from_elsewhere_is_shown(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "tiny")
    known = {"name": "tiny", "cache_dir": tmp_path / "cache", "licence": "MIT"}
    assert inspect(folder, **known).licence == "MIT"
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n", "utf-8")
    assert inspect(folder, **known).licence == "apache-2.0"


def test_what_is_no_body_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(BodyInvalid, match=r"x\.gguf"):
        inspect(tmp_path / "x.gguf", name="x", cache_dir=tmp_path / "cache")


def test_the_program_takes_a_name_or_a_path(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "models" / "org" / "tiny")
    budget = "body: {memory_budget: 1GB}\n"
    code, by_name = run_inspect(tmp_path, "org/tiny", config=budget)
    assert code == 0 and by_name["done"]["name"] == "org/tiny"
    assert run_inspect(tmp_path, str(folder), config=budget) == (code, by_name)
    elsewhere = write_tiny_body(tmp_path / "elsewhere")
    assert run_inspect(tmp_path, str(elsewhere))[1]["done"]["name"] == "elsewhere"


def test_the_program_uses_the_config(tmp_path: Path) -> None:
    write_tiny_body(tmp_path / "models" / "tiny")
    code, line = run_inspect(tmp_path, "tiny", config="body: {memory_budget: 1KB}\n")
    assert code == 0 and line["done"]["memory"]["budget_bytes"] == 1000
    assert not line["done"]["memory"]["fits"]
    assert list((tmp_path / "workspace" / "cache").iterdir())


def test_the_program_says_what_is_wrong(tmp_path: Path) -> None:
    code, line = run_inspect(tmp_path, "nobody")
    assert code == 1 and line["error"]["code"] == "body_missing"
    body = write_tiny_body(tmp_path / "models" / "tiny")
    (body / "config.json").write_text("{", "utf-8")
    code, line = run_inspect(tmp_path, "tiny")
    assert code == 1 and line["error"]["code"] == "body_invalid"
    assert "config.json" in line["error"]["message"]


@pytest.mark.real_body
def test_the_default_body(tmp_path: Path, default_body: Path) -> None:
    pull(str(default_body), tmp_path / "models", on_progress=lambda _: None)
    info = inspect(default_body, name="x", cache_dir=tmp_path)
    assert isinstance(info, BodyInfo)
    assert (info.parameters, info.quantisation, info.licence) == (134515008, "Q4_1", "apache-2.0")
    assert info.size_bytes == default_body.stat().st_size
    assert len(info.fingerprint) == 64


def test_inspect_does_not_import_torch() -> None:
    code = "import sys, sould.bodystore.inspect; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
