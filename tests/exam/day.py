"""One persona's first day in a fresh home: told, the daemon restarted, then examined."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soul_client import locate
from soul_client.client import Client
from soul_client.errors import NotRunning
from soul_client.launch import wait_until_gone
from tests.fakes.soul_process import SOUL, Soul

EXAM_S = 3600.0
NAME = "default"

_LESSON = re.compile(r"imprinted record=\S+ steps=(\d+) .*prepared_s=([\d.]+) learned_s=([\d.]+)")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is done on every day. ``body``: its file or folder; files of None are left out."""

    body: Path
    night: int = 1
    idle_s: float = 30.0
    general: Path | None = None
    text: Path | None = None


@dataclass(kw_only=True)
class Day:
    """What became of a day. Exams are as ``soul exam --json`` has them.

    ``lessons``, ``steps`` and ``learning_s`` are of all lessons, before the restart or after;
    ``pending``: turns that still waited to be learned at the restart.
    """

    persona: str
    told: int = 0
    pending: int = 0
    level: int = 0
    lessons: int = 0
    steps: int = 0
    learning_s: float = 0.0
    soul_bytes: int = 0
    exam: dict[str, Any] = field(default_factory=dict)
    another: dict[str, Any] = field(default_factory=dict)
    general: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)


def spend(plan: Plan, persona: Path, another: Path | None) -> Day:
    """Live a day with a persona; ``another``: also examined, with this persona's soul."""
    day = Day(persona=persona.stem)
    with tempfile.TemporaryDirectory(prefix="exam-") as folder, _home(Path(folder), plan) as config:
        day.told = _rehearse(config, plan, persona)
        day.pending = _restart(config)
        night = ("--night", str(plan.night))
        day.exam = _exam(config, persona, *night)
        day.lessons, day.steps, day.learning_s = _lessons(config)
        day.level = day.exam["soul"]["level"]
        if plan.general:
            day.general = _exam(config, plan.general)
        if plan.text:
            day.text = _exam(config, plan.text)
        if another:
            day.another = _exam(config, another, *night, "--no-controls")
        _end(config)
        day.soul_bytes = _size(config)
    return day


@contextmanager
def _home(folder: Path, plan: Plan) -> Iterator[Path]:
    """Write the config of a new user: nothing is in the workspace, no cache either."""
    config = folder / "config.yaml"
    body = f"models: {plan.body.parent}\nbody: {{name: {plan.body.stem}}}"
    config.write_text(f"bit_ttt: 1\nruntime_dir: run\n{body}\n", "utf-8")
    try:
        yield config
    finally:
        _end(config)


def _rehearse(config: Path, plan: Plan, persona: Path) -> int:
    """Say the lines, show them, and return how many were facts; then ``idle_s`` has passed."""
    options = ["--night", str(plan.night), "--idle", str(plan.idle_s), "--json"]
    facts = 0
    with subprocess.Popen(
        [*SOUL, "rehearse", str(persona), *options],
        env=Soul(config).env,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            facts += said["kind"] == "fact"
            _tell(f"  {said['n']}. {said['said']}")
    if process.returncode:
        sys.exit(f"soul rehearse ended with {process.returncode}")
    return facts


def _restart(config: Path) -> int:
    """End the daemon at once; return how many turns wait to be learned by the next one."""
    with Client(config) as client:
        soul = client.status().soul
        client.shutdown()
        connection = client.connection
    if not wait_until_gone(connection, timeout_s=30):
        sys.exit("the daemon does not end")
    pending = soul.pending if soul else 0
    _tell(f"  restarted; turns that still wait to be learned: {pending}")
    return pending


def _exam(config: Path, file: Path, *options: str) -> dict[str, Any]:
    begun_s = time.monotonic()
    done = Soul(config)("exam", str(file), *options, "--json", timeout_s=EXAM_S)
    if done.returncode:
        sys.exit(f"soul exam {file}: {done.stderr}")
    _tell(f"  examined with {file.name}, {time.monotonic() - begun_s:.0f} s")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _lessons(config: Path) -> tuple[int, int, float]:
    """Return lessons, steps and seconds of all learning, as the log has them."""
    log = locate.log_file(config).read_text("utf-8")
    found = [(int(m[1]), float(m[2]) + float(m[3])) for m in _LESSON.finditer(log)]
    return len(found), sum(steps for steps, _ in found), sum(seconds for _, seconds in found)


def _size(config: Path) -> int:
    folder = locate.workspace_dir(config) / "souls" / NAME
    newest = max(folder.glob("*.soul"), default=None)
    return newest.stat().st_size if newest else 0


def _end(config: Path) -> None:
    """End the daemon if there is one; what is unsaved is written."""
    try:
        with Client(config) as client:
            client.shutdown()
            connection = client.connection
    except NotRunning:
        return
    wait_until_gone(connection, timeout_s=30)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def spend_all(plan: Plan, personas: Sequence[Path]) -> list[Day]:
    """Live a day with each persona; the questions of each are asked of another's soul too."""
    days = []
    for n, persona in enumerate(personas):
        _tell(f"{persona.stem}, {plan.idle_s:g} s between lines")
        other = personas[(n + 1) % len(personas)] if len(personas) > 1 else None
        days.append(spend(plan, persona, other))
    return days
