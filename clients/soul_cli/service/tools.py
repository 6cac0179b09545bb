"""Run a tool of the system, and say what it said if it fails."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence

from soul_client.errors import ServiceFailed

TIMEOUT_S = 300.0

Run = Callable[[Sequence[str]], str]
"""Runs a command to its end and returns what it printed; raises ``ServiceFailed``."""


def run(command: Sequence[str]) -> str:
    """Run a command, without a shell.

    Raises:
        ServiceFailed: it is not there, takes too long, or ends with an error.
    """
    if shutil.which(command[0]) is None:
        raise ServiceFailed(f"there is no {command[0]} here, so no service can be managed")
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise ServiceFailed(f"{' '.join(command)}: {e}") from e
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip() or "without a word"
        raise ServiceFailed(f"{' '.join(command)} failed with {done.returncode}: {said}")
    return done.stdout
