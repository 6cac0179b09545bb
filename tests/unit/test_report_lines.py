"""The report of a night as lines."""

from __future__ import annotations

import msgspec
import pytest

from soul_cli.soul_lines import report_lines
from soul_cli.texts import Texts
from soul_client.wire import Dreamt, SleepMarks, SleepReport

MARKS = SleepMarks(recalled=1, facts=2, drift=0.01)
CAT = Dreamt(
    id="a", after=True, text="My cat is called Biscuit.", question="What's my cat called?",
    said_before="Your cat is a cat.", said_after="Your cat is called Biscuit.\x1b[2J",
)  # fmt: skip
BATH = Dreamt(
    id="b", before=True, text="I live in Bath.", question="Where do I live?",
    said_before="In Bath.", said_after="In Bath.",
)  # fmt: skip
TEA = Dreamt(id="c", after=True, text="I like tea.")


def test_a_report_says_of_which_night_it_is_and_what_of_earlier_ones_is_kept() -> None:
    old = [msgspec.structs.replace(fact, nights=2, before=True) for fact in (CAT, BATH)]
    night = SleepReport(
        outcome="kept", soul="mika", began="2026-01-02T03:04:05", before=MARKS, after=MARKS,
        facts=[*old, TEA],
    )  # fmt: skip
    lines = [line.strip() for line in report_lines(Texts("en"), night)]
    assert lines[0] == "night of 2026-01-02 03:04, soul mika:"
    assert "of 2 facts of earlier nights that were known in the evening 1 still are" in lines
    lost = SleepReport(outcome="rolled_back", why="the engine died", soul="mika", began="x")
    assert report_lines(Texts("en"), lost)[0] == "night of x, soul mika:"
    assert "not kept, it is as it was: the engine died" in report_lines(Texts("en"), lost)[1]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_of_a_night_that_was_not_kept_no_fact_is_said_to_be_known_or_not(language: str) -> None:
    texts = Texts(language)
    known = msgspec.structs.replace(BATH, nights=2)
    read = msgspec.structs.replace(TEA, source="tea.md")
    marks = msgspec.structs.replace(MARKS, statements=1)
    night = SleepReport(
        outcome="kept", before=marks, after=marks, facts=[known, CAT, read], left=3
    )  # fmt: skip
    of_facts = [texts("sleep.old", kept=0, old=1), *map(texts, ("sleep.failed", "sleep.learned"))]
    kept = [line.strip() for line in report_lines(texts, night)]
    assert {*of_facts, BATH.text, CAT.text} < set(kept)
    undone = msgspec.structs.replace(night, outcome="rolled_back", why="it was a nightmare")
    lines = [line.strip() for line in report_lines(texts, undone)]
    assert "it was a nightmare" in lines[0]
    assert lines[1:3] == kept[1:3], "the marks that it was rolled back for"
    assert not set(of_facts) & set(lines)
    assert not any(fact.text in "\n".join(lines) for fact in (BATH, CAT, TEA))
    assert lines[-1] == texts("sleep.left", count=3)


def test_replies_of_evening_and_morning_are_below_their_fact() -> None:
    report = SleepReport(outcome="kept", before=MARKS, after=MARKS, facts=[CAT, BATH, TEA])
    lines = [line.strip() for line in report_lines(Texts("en"), report)]
    at = lines.index(BATH.text)
    assert lines[at + 1 : at + 3] == ["asked: Where do I live?", "morning: In Bath."]
    at = lines.index(CAT.text)
    assert lines[at + 1 : at + 4] == [
        "asked: What's my cat called?",
        "evening: Your cat is a cat.",
        "morning: Your cat is called Biscuit.[2J",
    ]
    assert lines[at + 4] == TEA.text
