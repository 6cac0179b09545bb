"""One persona's first day in a fresh home: told, the daemon restarted, then examined."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.exam.home import Home, Plan


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


def spend(home: Home, plan: Plan, persona: Path, another: Path | None, *, night: int) -> Day:
    """Live the day before a night; ``another``: also examined, with this persona's soul."""
    day = Day(persona=persona.stem)
    day.told = len(home.rehearse(persona, night, plan.idle_s))
    day.pending = home.restart()
    after = ("--night", str(night))
    day.exam = home.examine(persona, *after)
    day.lessons, day.steps, day.learning_s = home.lessons()
    day.level = day.exam["soul"]["level"]
    if plan.general:
        day.general = home.examine(plan.general)
    if plan.text:
        day.text = home.examine(plan.text)
    if another:
        day.another = home.examine(another, *after, "--no-controls")
    home.end()
    day.soul_bytes = home.soul_bytes()
    return day
