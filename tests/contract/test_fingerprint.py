"""The fingerprint binds souls to bodies: what changes it, what does not, and how it is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sould.engine.bodyfile import open_body
from tests.fakes.tiny_body import edit_json, write_tiny_body


def test_the_fingerprint_covers_architecture_weights_and_tokenizer(tmp_path: Path) -> None:
    changes: dict[str, Callable[[Path], None]] = {
        "as it was": lambda f: None,
        "template": lambda f: edit_json(f / "tokenizer_config.json", chat_template="{{ 1 }}"),
        "generation": lambda f: (f / "generation_config.json").unlink(),
        "bookkeeping": lambda f: edit_json(f / "config.json", transformers_version="9"),
        "theta": lambda f: edit_json(f / "config.json", rope_theta=10001.0),
        "tokenizer": lambda f: edit_json(f / "tokenizer.json", version="1.1"),
    }
    prints = {}
    for name, change in changes.items():
        folder = write_tiny_body(tmp_path / name)
        change(folder)
        prints[name] = open_body(folder).fingerprint()
    same = {prints[n] for n in ("as it was", "template", "generation", "bookkeeping")}
    assert len(same) == 1
    assert len(set(prints.values())) == 3


def test_a_kept_fingerprint_serves_until_a_file_changes(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "b")
    cache = tmp_path / "cache"
    first = open_body(folder).fingerprint(cache)
    kept = cache / "fingerprints.json"
    kept.write_text(kept.read_text().replace(first, "f" * 64))
    assert open_body(folder).fingerprint(cache) == "f" * 64  # not computed again
    edit_json(folder / "tokenizer.json", version="1.1")
    assert open_body(folder).fingerprint(cache) == open_body(folder).fingerprint()


def test_a_broken_fingerprint_cache_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body = open_body(write_tiny_body(tmp_path / "b"))
    (tmp_path / "fingerprints.json").write_bytes(b"\xff{")
    assert body.fingerprint(tmp_path) == body.fingerprint()
    assert "is unreadable" in caplog.text
    assert body.fingerprint(tmp_path) == body.fingerprint()
