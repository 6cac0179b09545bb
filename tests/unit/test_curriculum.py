"""Who owns a topic, and what is dreamt of a fact."""

from __future__ import annotations

import pytest

from sould.engine.soul.curriculum import MOST_TOPICS, Curriculum, Fact, shared_out
from sould.engine.soul.topics import FITS, Topic, load_topics

TOPICS = tuple(Topic(name, (f"{name} one?", f"{name} two?")) for name in "abcde")


def fact(id_: str, *fits: float) -> Fact:
    return Fact(id_, f"My {id_} is Tim, and I like it.", fits)


def test_a_topic_belongs_to_the_fact_it_fits_best() -> None:
    facts = [fact("cat", 5, 9, 0, 0, 0), fact("dog", 6, 4, 0, 0, 0)]
    assert shared_out(facts) == [[1], [0]]


def test_of_two_that_fit_alike_the_newer_has_it() -> None:
    facts = [fact("old", 6, 4, 0, 0, 0), fact("new", 6, 0, 0, 0, 0)]
    assert shared_out(facts) == [[1], [0]]


def test_a_fact_without_a_topic_gets_the_best_that_is_free() -> None:
    facts = [fact("cat", 5, 1, 0, 0, 2), fact("dog", 6, 1, 0, 0, 2)]
    assert shared_out(facts) == [[4], [0]]


def test_few_topics_the_best_first() -> None:
    (owned,) = shared_out([fact("cat", 4, 7, 5, FITS, 6)])
    assert owned == [1, 4, 2][:MOST_TOPICS]


def test_dreams_ask_about_their_own_topics_and_answer_in_the_second_person() -> None:
    facts = [fact("cat", 5, 9, 0, 0, 0), fact("dog", 6, 4, 0, 0, 0)]
    curriculum = Curriculum(TOPICS, facts, seed=0)
    for dream in curriculum.dreams(facts[0], 20):
        assert dream.question in TOPICS[1].questions
        assert dream.answer in ("Your cat is Tim.", "Your cat is Tim, and you like it.")
    assert [d.fact.id for d in curriculum.rehearsal(facts[0], 5)] == ["dog"]
    assert sorted(d.fact.id for d in curriculum.review(8)) == ["cat", "dog"]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_banks_hold_questions_and_no_wording_twice(language: str) -> None:
    questions = [q for topic in load_topics(language) for q in topic.questions]
    assert len(questions) > 50
    assert len(set(questions)) == len(questions)
    assert all(question.endswith(("?", "?")) for question in questions)
