"""Questions that say more of a statement than what it is about."""

from __future__ import annotations

import pytest

from sould.engine.soul.cues import cues
from sould.engine.soul.questions import matters


@pytest.mark.parametrize(
    ("statement", "asked"),
    [
        ("I paint boats.", []),
        ("I paint old boats.", ["which boats I paint"]),
        ("I'm fond of bitter chocolate.", []),
        (
            "I carve spoons out of driftwood.",
            ["what I carve out of driftwood", "what I carve spoons out of"],
        ),
        ("I'm moving to Oslo in May.", ["where I'm moving to in May", "when I'm moving to Oslo"]),
        ("I play chess in the park.", ["what I play in the park", "where I play chess"]),
        ("I've lived in Cork for ten years.", ["where I've lived for ten years"]),
        ("My cousin Ada raises llamas.", ["who raises llamas"]),
        ("My favourite soup is borscht.", ["which soup is my favourite"]),
        (
            "I'm hooked on halva, my glovebox is full of it.",
            ["what I said about my glovebox", "what my glovebox is full of"],
        ),
        ("My boss is Mrs. Ode, who never takes a holiday.", ["who never takes a holiday"]),
        ("I like it here, and they like it too.", []),
        ("when I was young", []),
        ("me.", []),
        ("猫の名前はタマです。", []),
    ],
)
def test_a_statement_is_asked_for_by_more_of_its_words(statement: str, asked: list[str]) -> None:
    assert [cue.words for cue in cues(statement)] == asked


def test_a_cue_is_none_of_what_is_asked_for_anyway_and_no_speech() -> None:
    statement = "I collect " + "very " * 9 + "old stamps for my brother in Rome."
    known = {matter.words for matter in matters(statement)}
    assert all(cue.words not in known and len(cue.words.split()) <= 12 for cue in cues(statement))
