"""What is said on a day, and what is asked after a night. Counted from 1 as people do."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from soul_client.exam.files import Persona, Quiz

Kind = Literal["fact", "updated", "never_told", "quiz"]
Wording = Literal["direct", "indirect", ""]


class Line(Struct, frozen=True, kw_only=True):
    """Something the user types."""

    kind: Literal["fact", "small_talk"]
    text: str


class Question(Struct, frozen=True, kw_only=True):
    """One question of an exam. ``night`` and ``fact`` are 0 where it belongs to none."""

    kind: Kind
    ask: str
    accept: list[str] = []
    stale: list[str] = []
    night: int = 0
    fact: int = 0
    wording: Wording = ""


def lines_of(persona: Persona, night: int) -> list[Line]:
    """Return a day's lines: the facts in their order, small talk spread evenly between."""
    day = persona.nights[night - 1]
    facts = [Line(kind="fact", text=text) for text in day.say]
    small_talk = [Line(kind="small_talk", text=text) for text in day.small_talk]
    places = [
        ((i + 0.5) / len(lines), line)
        for lines in (facts, small_talk)
        for i, line in enumerate(lines)
    ]
    return [line for _, line in sorted(places, key=lambda place: place[0])]


def statements(persona: Persona, night: int) -> list[str]:
    """Return what was told up to a night, oldest first."""
    return [text for day in persona.nights[:night] for text in day.say]


def questions_of(persona: Persona, night: int) -> list[Question]:
    """Return what is asked after a night: about every fact that still holds, and never told ones.

    A fact that was replaced by then is not asked for any more; the one that replaced it is
    of the kind ``updated``, with the old values in ``stale``.
    """
    days = persona.nights[:night]
    replaced = {
        (probe.updates.night, probe.updates.fact)
        for day in days
        for probe in day.probes
        if probe.updates is not None
    }
    questions = [
        Question(
            kind="updated" if probe.updates else "fact",
            ask=ask,
            accept=probe.accept,
            stale=probe.stale,
            night=n + 1,
            fact=probe.fact + 1,
            wording="indirect" if k else "direct",
        )
        for n, day in enumerate(days)
        for probe in day.probes
        if (n, probe.fact) not in replaced
        for k, ask in enumerate(probe.ask)
    ]
    return questions + [Question(kind="never_told", ask=one.ask) for one in persona.never_told]


def quiz_questions(quiz: Quiz) -> list[Question]:
    """Return the questions of a general quiz."""
    return [Question(kind="quiz", ask=item.ask, accept=item.accept) for item in quiz.items]
