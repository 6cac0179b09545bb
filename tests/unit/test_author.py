"""Dreams that a body writes itself: who writes, what of it is a question, and what is kept."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import inf
from types import SimpleNamespace

import pytest
import torch

from sould.bridge import Sleep
from sould.engine.soul.author import (
    LEAST_PARAMETERS,
    RIVALS,
    is_author,
    its_own,
    questions_in,
    rivals_of,
)
from sould.engine.soul.chatform import Line
from sould.engine.soul.curriculum import Curriculum
from sould.engine.soul.dreams import Fact, Written
from sould.engine.soul.imprint import row_of
from sould.engine.soul.targets import Target
from sould.engine.soul.teacher import Teacher
from sould.engine.soul.topics import Topic
from tests.fakes.finished import finished

TOPICS = (Topic("a", ("a one?", "a two?")), Topic("b", ("b one?", "b two?")))
CAT = Fact("cat", "My cat is called Tim.", (9.0, 0.0))
DOG = Fact("dog", "My dog Rex loves the park.", (0.0, 9.0))


@pytest.mark.parametrize(
    ("dreams", "parameters", "writes", "why"),
    [
        ("auto", LEAST_PARAMETERS, True, "of its own beside the bank's: 1,000 million"),
        ("auto", LEAST_PARAMETERS - 1, False, "of the bank alone"),
        ("bank", 8 * LEAST_PARAMETERS, False, "bank, as configured (8,000 million"),
        ("body", 135_000_000, True, "body, as configured (135 million"),
    ],
)
def test_large_bodies_write_and_the_reason_is_said(
    dreams: str, parameters: int, writes: bool, why: str
) -> None:
    is_written, reason = is_author(dreams, parameters)  # type: ignore[arg-type]
    assert is_written is writes
    assert why in reason


def test_questions_are_lines_without_numbers() -> None:
    text = (
        "Here are some:\n1. Who is Tim?\n- What is my cat called?\n(3) Where is he\n猫の名前は？\n"
    )
    assert questions_in(text) == ["Who is Tim?", "What is my cat called?", "猫の名前は？"]
    assert questions_in(f"{'very ' * 40}long?\n\n?ends without") == []


def test_who_is_asked_back_is_not_asked_of_the_user() -> None:
    assert questions_in("What is your name?\nAre you fond of it?\nDo you remember my name?") == [
        "Do you remember my name?"
    ]


def test_rivals_are_those_with_most_words_in_common_then_the_newest() -> None:
    others = [Fact(str(n), f"I own {n} pots.", ()) for n in range(2 * RIVALS)]
    others.insert(3, Fact("vet", "The vet saw my cat in March.", ()))
    rivals = rivals_of(CAT, ["Who is my cat?"], others)
    assert [one.id for one in rivals] == ["vet", *(str(n) for n in range(15, 16 - RIVALS, -1))]


def test_what_another_fact_explains_as_well_is_thrown_away() -> None:
    likely = {"cat": [-2.0, -5.0, -3.0], "dog": [-9.0, -4.0, -3.0]}

    def log_p(fact: Fact | None) -> Generator[None, None, list[float]]:
        yield
        return likely[fact.id] if fact else [-8.0, -8.0, -8.0]

    kept = finished(its_own(["Tim?", "park?", "pet?"], CAT, [DOG, None], log_p))
    assert kept == ["Tim?"]
    assert finished(its_own(["Tim?", "park?", "pet?"], CAT, [], log_p)) == ["Tim?", "park?", "pet?"]
    assert finished(its_own([], CAT, [DOG], log_p)) == []


def test_only_what_the_user_said_and_is_not_resting_is_written_about_the_newest_first() -> None:
    asked: list[str] = []

    def write(
        fact: Fact, others: Sequence[Fact], seed: int
    ) -> Generator[None, None, tuple[Written, ...]]:
        yield
        asked.append(fact.id)
        return (Written("Who?", fact.statement, target(1)),)

    tower = Fact("tower", "The tower is old.", (), "guide.md")
    old = Fact("old", "I live in Bath.", (0.0, 0.0))
    order = Sleep(records=[], resting=["old"])
    teacher = SimpleNamespace(_author=SimpleNamespace(write=write))
    facts = [CAT, old, DOG, *(Fact(f"d{n}", "The lamp is new.", (), "b.md") for n in range(99))]
    known = finished(
        Teacher._with_written(teacher, [*facts, tower], order, lambda: False, inf)  # type: ignore[arg-type]
    )
    assert asked == ["dog", "cat"]
    assert {one.id for one in known if one.written} == {"dog", "cat"}


def target(tokens: int) -> Target:
    return Target(
        torch.arange(2 * tokens).view(tokens, 2),
        torch.full((tokens, 2), 0.4),
        torch.full((tokens,), 0.2),
    )


def test_half_of_the_dreams_are_the_body_s_own_and_none_is_the_exam_s() -> None:
    asked = Curriculum(TOPICS, [CAT], seed=0).held_out(CAT).question
    written = (
        Written("Who is Tim?", "Your cat.", target(3)),
        Written(asked.upper(), "Tim.", target(2)),
    )
    fact = Fact(CAT.id, CAT.statement, CAT.fits, written=written)
    dreams = Curriculum(TOPICS, [fact, DOG], seed=0).dreams(fact, 200)
    own = [dream for dream in dreams if dream.target is not None]
    assert 70 < len(own) < 130
    assert {(dream.question, dream.answer) for dream in own} == {("Who is Tim?", "Your cat.")}
    assert all(
        one.target is None for one in Curriculum(TOPICS, [fact, DOG], seed=0).dreams(DOG, 50)
    )


def test_a_reply_is_held_to_its_teacher_as_far_as_it_is_learned() -> None:
    taught = target(6)
    whole = Line(list(range(20, 30)), list(range(4, 10)))
    for count in (6, 4):
        row = row_of(Line(whole.ids, whole.positions[:count]), 1.0, begin=3.0, target=taught)
        assert torch.equal(row.target.ids, taught.ids[:count])
        assert torch.equal(row.target.p, taught.p[:count])
        assert sum(row.weights) == pytest.approx(1.0)
        assert row.weights[0] == pytest.approx(3 * row.weights[-1])
    plain = row_of(whole, 1.0)
    assert plain.target.ids[:, 0].tolist() == whole.answer
