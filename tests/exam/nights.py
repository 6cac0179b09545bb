"""One persona's days and nights in a fresh home: told, slept over, and asked after a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from soul_client.exam import Answer
from tests.exam.home import Home, Plan, tell


@dataclass(kw_only=True)
class Night:
    """A day and its night. ``sleep`` and ``exam`` as ``soul sleep|exam --json`` have them.

    ``pending``: turns that still waited to be learned at the restart.
    """

    told: int
    sleep: dict[str, Any]
    pending: int
    exam: dict[str, Any] = field(default_factory=dict)

    def answers(self, night: int) -> list[Answer]:
        """Return the answers about what was told before one of the nights."""
        answers = msgspec.convert(self.exam["answers"], list[Answer])
        return [one for one in answers if one.question.night == night]


@dataclass(kw_only=True)
class Stay:
    """What became of a persona's nights.

    ``another``: the exam of the next persona's first night, with this one's soul after its own
    first. ``general`` and ``text`` are of the end.
    """

    persona: str
    language: str
    nights: list[Night] = field(default_factory=list)
    another: dict[str, Any] = field(default_factory=dict)
    general: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)
    soul_bytes: int = 0


def stay(
    home: Home,
    plan: Plan,
    persona: Path,
    another: Path | None,
    *,
    language: str,
    nights: int,
    has_controls: bool,
) -> Stay:
    """Live so many days, each with its night. The controls are asked after the first one.

    ``another``: also examined then, with this persona's soul.
    """
    found = Stay(persona=persona.stem, language=language)
    for number in range(1, nights + 1):
        tell(f"  night {number} of {nights}")
        told = home.rehearse(persona, number, plan.idle_s)
        night = Night(told=told, sleep=home.sleep(), pending=home.restart())
        found.nights.append(night)
        is_controlled = has_controls and number == 1
        options = () if is_controlled else ("--no-controls",)
        night.exam = home.examine(persona, "--night", str(number), *options)
        if is_controlled and another:
            found.another = home.examine(another, "--night", "1", "--no-controls")
    if plan.general:
        found.general = home.examine(plan.general)
    if plan.text:
        found.text = home.examine(plan.text)
    home.end()
    found.soul_bytes = home.soul_bytes()
    return found
