"""Pulls as the daemon starts them: a process of its own that talks JSON lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a pull wrote: its progress, and ``done`` or ``error``."""

    code: int
    progress: list[dict[str, Any]]
    done: dict[str, Any] | None
    error: dict[str, Any] | None
    stderr: str


class Puller:
    """Starts pulls into one models folder, from one hub, as a user without any account."""

    def __init__(self, home: Path, endpoint: str = "http://127.0.0.1:9") -> None:
        self.models = home / "models"
        self.config = home / "config.yaml"
        self.config.write_text("bit_ttt: 1\nmodels: models\n", "utf-8")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
        self.env = kept | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home / "hf"), "NO_PROXY": "*"}

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start a pull and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "sould", "pull", "--config", str(self.config), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
        )

    def run(self, *args: str) -> Answer:
        """Run a pull to its end."""
        return finish(self.start(*args))


def finish(process: subprocess.Popen[str]) -> Answer:
    """Wait for the end of a pull and read what it wrote."""
    stdout, stderr = process.communicate(timeout=60)
    lines = [json.loads(line) for line in stdout.splitlines()]
    last = lines[-1] if lines else {}
    return Answer(
        code=process.returncode,
        progress=[line["progress"] for line in lines if "progress" in line],
        done=last.get("done"),
        error=last.get("error"),
        stderr=stderr,
    )
