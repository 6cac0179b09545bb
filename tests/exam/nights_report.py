"""What is shown of nights, and the bars of the project: medians over the English personas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from soul_client.exam import score
from tests.exam.nights import Night, Stay, answers_of
from tests.exam.table import Bar, Line, Sheet, change, control, crossed, kept, share


def lines(stays: Sequence[Stay]) -> list[Line]:
    """Return everything that is shown of some stays."""
    sheet = Sheet(stays, lambda one: one.language == "en")
    later = range(2, 1 + max((len(one.nights) for one in stays), default=0))
    return [
        *_first_night(sheet, stays),
        *(line for n in later for line in _later_night(sheet, n)),
        *_in_the_end(sheet),
        *_costs(sheet, later),
        *(_reborn(sheet) if any(one.reborn for one in stays) else ()),
        *(_forgotten(sheet) if any(one.forgotten for one in stays) else ()),
    ]


def _first_night(sheet: Sheet[Stay], stays: Sequence[Stay]) -> list[Line]:
    row, first = sheet.row, _exam_of(0)
    return [
        row("night 1, recall", _recall(1, "recall"), Bar("≥", 0.7)),
        row("  direct", _recall(1, "direct")),
        row("  indirect", _recall(1, "indirect")),
        row("  no soul", lambda one: control(first(one), "bare", "recall")),
        row("  facts in the prompt", lambda one: control(first(one), "facts_in_prompt", "recall")),
        row("  another's soul", lambda one: crossed(stays, one.persona)),
    ]


def _later_night(sheet: Sheet[Stay], night: int) -> list[Line]:
    return [
        sheet.row(f"night {night}, recall of what it brought", _recall(night, "recall")),
        sheet.row("  direct", _recall(night, "direct")),
        sheet.row("  indirect", _recall(night, "indirect")),
    ]


def _in_the_end(sheet: Sheet[Stay]) -> list[Line]:
    row, first, last = sheet.row, _exam_of(0), _exam_of(-1)
    return [
        row("facts of night 1 in the end, of the first score", _retained, Bar("≥", 0.85)),
        row("updated facts, new value", lambda one: share(last(one), "updated"), Bar("≥", 0.6)),
        row("updated facts, old value", lambda one: share(last(one), "stale"), Bar("≤", 0.2)),
        row("never told, invented", lambda one: share(last(one), "invented"), Bar("≤", 0.25)),
        row("  after night 1", lambda one: share(first(one), "invented")),
        row("  after night 1, no soul", lambda one: control(first(one), "bare", "invented")),
        row("perplexity, change in %", lambda one: change(one.text), Bar("≤", 1), "+.2f"),
        row("general knowledge, kept", lambda one: kept(one.general), Bar("≥", 0.95)),
        row(
            "perplexity of unsaid phrases, change in %",
            lambda one: change(last(one)["style"] or {}),
            Bar("≤", -10),
            "+.2f",
        ),
    ]


def _costs(sheet: Sheet[Stay], later: Sequence[int]) -> list[Line]:
    row = sheet.row
    return [
        row("night 1, s", _seconds(1), Bar("≤", 360), ".0f"),
        *(row(f"night {n}, s", _seconds(n), format=".0f") for n in later),
        row("nights kept", _total(lambda one: one.sleep["outcome"] == "kept"), format=".0f"),
        row("facts told", _total(lambda one: len(one.told)), format=".0f"),
        row("waiting at the restarts", _total(lambda one: one.pending), format=".0f"),
        row("level", lambda one: one.nights[-1].exam["soul"]["level"], format=".0f"),
        row("soul file, MB", lambda one: one.soul_bytes / 1e6, Bar("≤", 16), ".1f"),
    ]


def _reborn(sheet: Sheet[Stay]) -> list[Line]:
    row, last = sheet.row, _exam_of(-1)
    return [
        row("all nights, recall in the end", lambda one: share(last(one), "recall")),
        row("reborn on another body, recall", lambda one: share(one.reborn_exam, "recall")),
        row("  direct", lambda one: share(one.reborn_exam, "direct")),
        row("  indirect", lambda one: share(one.reborn_exam, "indirect")),
        row("  updated facts, new value", lambda one: share(one.reborn_exam, "updated")),
        row("  updated facts, old value", lambda one: share(one.reborn_exam, "stale")),
        row("  never told, invented", lambda one: share(one.reborn_exam, "invented")),
        row("  records learned", lambda one: one.reborn.get("learned"), format=".0f"),
        row("  s", lambda one: one.reborn.get("seconds"), format=".0f"),
    ]


def _forgotten(sheet: Sheet[Stay]) -> list[Line]:
    row = sheet.row
    return [
        row("a fact that is forgotten, its recall before", _recall_of(True, "latest_exam")),
        row("  and after", _recall_of(True, "forgotten_exam"), Bar("≤", 0)),
        row("  recall of all else before", _recall_of(False, "latest_exam")),
        row("  and after", _recall_of(False, "forgotten_exam")),
        row("  ln p a token of stating it, before", _log_p("before")),
        row("  after", _log_p("after")),
        row("  never told", _log_p("never")),
    ]


def _recall_of(is_forgotten: bool, exam: str) -> Callable[[Stay], float | None]:
    """Return the recall of the one fact that was forgotten, or of all others."""

    def figure(one: Stay) -> float | None:
        fact = (1, one.forgotten_fact)
        asked = [
            answer
            for answer in answers_of(getattr(one, exam))
            if ((answer.question.night, answer.question.fact) == fact) is is_forgotten
        ]
        found = score(asked).get("recall")
        return found.share if found else None

    return figure


def _log_p(when: str) -> Callable[[Stay], float | None]:
    return lambda one: (one.forgotten.get(when) or {}).get("log_p")


def _recall(night: int, name: str) -> Callable[[Stay], float | None]:
    """Return what is recalled after a night of what was told before it."""

    def figure(one: Stay) -> float | None:
        if night > len(one.nights):
            return None
        found = score(one.nights[night - 1].answers(night)).get(name)
        return found.share if found else None

    return figure


def _retained(one: Stay) -> float | None:
    """Return the last score of night 1 over its first: of facts that hold to the end alone.

    None after a single night, and where nothing was recalled at first.
    """
    if len(one.nights) < 2:
        return None
    last = one.nights[-1].answers(1)
    held = {answer.question.ask for answer in last}
    first = [answer for answer in one.nights[0].answers(1) if answer.question.ask in held]
    hits = [sum(answer.verdict == "hit" for answer in answers) for answers in (first, last)]
    return hits[1] / hits[0] if hits[0] else None


def _seconds(night: int) -> Callable[[Stay], float | None]:
    def figure(one: Stay) -> float | None:
        return one.nights[night - 1].sleep["seconds"] if night <= len(one.nights) else None

    return figure


def _total(amount: Callable[[Night], int]) -> Callable[[Stay], float | None]:
    return lambda one: sum(map(amount, one.nights))


def _exam_of(index: int) -> Callable[[Stay], dict[str, Any]]:
    return lambda one: one.nights[index].exam
