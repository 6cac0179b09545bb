"""The ``soul`` command in a process of its own, with one config and a clean environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SOUL = [sys.executable, "-P", "-m", "soul_cli.main"]
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if not k.startswith(("LC_", "XDG_", "BIT_TTT"))},
    "LANG": "en_US.UTF-8",
    "TERM": "xterm",
}


class Soul:
    """Runs ``soul`` with one config."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.env = {**ENVIRONMENT, "BIT_TTT_CONFIG": str(config)}

    def __call__(
        self, *args: str, input: str | bytes = b"", timeout_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; never may it show a traceback or colour."""
        data = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            [*SOUL, *args], input=data, env=self.env, capture_output=True, timeout=timeout_s
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in err, err
        assert "\x1b" not in out + err
        return subprocess.CompletedProcess(args, done.returncode, out, err)

    def json(self, *args: str) -> Any:
        """Run a command with ``--json`` and return what it prints."""
        return json.loads(self(*args, "--json").stdout)

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Start a command and go on."""
        return subprocess.Popen(
            [*SOUL, *args], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
