"""Kill a pull before every step it takes on the disk, each in a process of its own.

    python -m tests.fakes.kill_at_step SOURCE MODELS NAME

Steps are what Python's audit hooks see: opening for writing, making, renaming, removing. The
pull replaces a body that is there. For every step one JSON line says what ``models/`` held
after the kill and after the next pull.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sould.bodystore.pull import pull
from sould.bodystore.scan import scan

_STEPS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")


def main(source: Path, models: Path, name: str) -> None:
    """Try step after step until a pull comes through."""
    first = models.with_name("first")
    shutil.copytree(models, first)
    for step in range(1, 1000):
        shutil.rmtree(models)
        shutil.copytree(first, models)
        was_killed = killed_at_step(step, lambda: _pull(source, models, name))
        after_kill = _held(models)
        _pull(source, models, name)
        line = {"killed": was_killed, "after_kill": after_kill, "after_next": _held(models)}
        print(json.dumps(line), flush=True)
        if not was_killed:
            return


def _pull(source: Path, models: Path, name: str) -> None:
    pull(str(source), models, name=name, replace=True, on_progress=lambda _: None)


def kill_noted(
    first: Path,
    workspace: Path,
    note: str,
    *,
    change: Callable[[], object],
    finish: Callable[[], None],
    state: Callable[[], Any],
) -> None:
    """Kill a change of a workspace at step after step until it comes through, and print after each
    kill whether it was noted, what it left, and what a start made of that. ``first``: a copy of
    the workspace before.
    """
    for step in range(1, 1000):
        shutil.rmtree(workspace, ignore_errors=True)
        shutil.copytree(first, workspace)
        was_killed = killed_at_step(step, change)
        line = {"killed": was_killed, "noted": (workspace / note).exists(), "after_kill": state()}
        finish()
        print(json.dumps({**line, "after_start": state()}), flush=True)
        if not was_killed:
            return


def killed_at_step(step: int, change: Callable[[], object]) -> bool:
    """Make a change in a process that is killed before so many steps are made; tell whether it
    got that far.
    """
    pid = os.fork()
    if pid == 0:
        left = step

        def count(event: str, args: tuple[Any, ...]) -> None:
            nonlocal left
            if event in _STEPS or (event == "open" and _writes(args)):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        change()
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def _writes(args: tuple[Any, ...]) -> bool:
    return bool(args[2] & (os.O_WRONLY | os.O_RDWR))


def _held(models: Path) -> dict[str, str]:
    """Return for every body its weights, as far as they tell bodies apart."""
    return {
        entry.name: (Path(entry.path) / "model.safetensors").read_bytes()[-8:].hex()
        for entry in scan(models)
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
