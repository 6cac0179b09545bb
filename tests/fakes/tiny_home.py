"""A home for a real engine: a config, and a tiny body that is loaded and taught in a moment."""

from __future__ import annotations

from pathlib import Path

from sould.bridge import Load
from tests.fakes.tiny_body import write_tiny_body

CONTEXT = 1024


def write_tiny_home(folder: Path, text: str = "") -> Path:
    """Write a tiny body and a config with short paths that uses it; return the config."""
    write_tiny_body(folder / "models" / "tiny", max_position_embeddings=CONTEXT)
    path = folder / "config.yaml"
    body = "body: {name: tiny, device: cpu, kernel: torch, threads: 1}"
    path.write_text(f"bit_ttt: 1\nruntime_dir: {folder / 'run'}\n{body}\n{text}\n", "utf-8")
    return path


def load_request(folder: Path) -> Load:
    """Return how the daemon of such a home has its body loaded."""
    return Load(
        name="tiny",
        path=str(folder / "models" / "tiny"),
        cache_dir=str(folder / "workspace" / "cache"),
        device="cpu",
        kernel="torch",
        threads=1,
    )
