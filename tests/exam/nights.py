"""One persona's days and nights in a fresh home: told, slept over, and asked after a restart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from soul_client.exam import Answer
from tests.exam.home import Home, Plan, tell


@dataclass(kw_only=True)
class Night:
    """A day and its night. ``sleep`` and ``exam`` as ``soul sleep|exam --json`` have them.

    ``told``: its facts. ``pending``: turns that still waited to be learned at the restart.
    """

    told: list[str]
    sleep: dict[str, Any]
    pending: int
    exam: dict[str, Any] = field(default_factory=dict)

    def answers(self, night: int) -> list[Answer]:
        """Return the answers about what was told before one of the nights."""
        return [one for one in answers_of(self.exam) if one.question.night == night]


@dataclass(kw_only=True)
class Stay:
    """What became of a persona's nights.

    ``another``: the exam of the next persona's first night, with this one's soul after its own
    first. ``general`` and ``text`` are of the end. ``reborn``: the card of a rebirth on another
    body after that, as ``soul reincarnate --json`` has it, and ``reborn_exam`` the last night's
    exam there. ``forgotten``: the last thing done, as ``soul forget --json`` has it, to the fact
    of the first night with the number ``forgotten_fact``; ``forgotten_exam``: the exam a night
    later.
    """

    persona: str
    language: str
    nights: list[Night] = field(default_factory=list)
    another: dict[str, Any] = field(default_factory=dict)
    general: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)
    soul_bytes: int = 0
    reborn: dict[str, Any] = field(default_factory=dict)
    reborn_exam: dict[str, Any] = field(default_factory=dict)
    forgotten: dict[str, Any] = field(default_factory=dict)
    forgotten_fact: int = 0
    forgotten_exam: dict[str, Any] = field(default_factory=dict)

    @property
    def latest_exam(self) -> dict[str, Any]:
        """The last exam before anything was forgotten."""
        return self.reborn_exam or self.nights[-1].exam


def answers_of(exam: dict[str, Any]) -> list[Answer]:
    """Return the answers of an exam as ``soul exam --json`` has it; of none: none."""
    return msgspec.convert(exam.get("answers", []), list[Answer])


def best_known(exam: dict[str, Any]) -> int:
    """Return the number of the fact of the first night of which the greatest share is known."""
    asked, hits = Counter[int](), Counter[int]()
    for one in answers_of(exam):
        if one.question.night == 1:
            asked[one.question.fact] += 1
            hits[one.question.fact] += one.verdict == "hit"
    return max(asked, key=lambda fact: (hits[fact] / asked[fact], -fact))


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
    last = ("--night", str(nights), "--no-controls")
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
    if plan.reborn_on:
        home.start()
        found.reborn = home.reincarnate(plan.reborn_on)
        home.restart()
        found.reborn_exam = home.examine(persona, *last)
        home.end()
    if plan.forgets and found.nights[0].answers(1):
        home.start()
        found.forgotten_fact = best_known(found.latest_exam)
        found.forgotten = home.forget(found.nights[0].told[found.forgotten_fact - 1])
        home.sleep()
        home.restart()
        found.forgotten_exam = home.examine(persona, *last)
        home.end()
    return found
