"""The report of a night as lines."""

from __future__ import annotations

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
