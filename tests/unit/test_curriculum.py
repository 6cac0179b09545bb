"""Who owns a topic, and what is dreamt of a fact."""

from __future__ import annotations

from collections import Counter

import pytest

from sould.engine.soul.curriculum import BEGUN_SHARE, LEAST_UNTOLD, MOST_UNTOLD, Curriculum
from sould.engine.soul.dreams import MOST_TOPICS, Dream, Fact, shared_out
from sould.engine.soul.questions import matters
from sould.engine.soul.topics import OTHER, SURE, Topic, load_topics
from sould.engine.soul.wordings import kinds_in

TOPICS = tuple(Topic(name, (f"{name} one?", f"{name} two?")) for name in "abcde")


def fact(id_: str, *fits: float) -> Fact:
    return Fact(id_, f"My {id_} is Tim, and I like it.", fits)


def test_a_topic_belongs_to_the_fact_it_fits_best() -> None:
    facts = [fact("cat", 5, 9, 0, 0, 0), fact("dog", 6, 4, 0, 0, 0)]
    assert shared_out(facts) == [[1], [0]]


def test_of_two_that_fit_alike_the_newer_has_it() -> None:
    facts = [fact("old", SURE, SURE, 0, 0, 0), fact("new", SURE, 0, 0, 0, 0)]
    assert shared_out(facts) == [[1], [0]]


def test_a_fact_without_a_topic_gets_the_best_that_is_free() -> None:
    facts = [fact("cat", SURE, 1, 0, 0, 2), fact("dog", 9, 1, 0, 0, 2)]
    assert shared_out(facts) == [[4], [0]]
    unsure = [fact("cat", 6, 5, 0, 0, 0)]
    assert shared_out(unsure) == [[0]]


def test_few_topics_the_best_first() -> None:
    (owned,) = shared_out([fact("cat", 8, 12, 9, SURE, 11)])
    assert owned == [1, 4, 2][:MOST_TOPICS]


def test_what_fits_much_less_than_the_best_is_not_meant() -> None:
    (owned,) = shared_out([fact("cat", 18, SURE, 8, 6, 9)])
    assert owned == [0, 4]


WHERE = Topic("a", ("Where is a?", "Where was a?"))


@pytest.mark.parametrize(
    ("statement", "first", "is_asked"),
    [
        ("I'm flatting in Dunedin.", WHERE, True),
        ("I ride a unicycle.", WHERE, False),
        ("I'm flatting in Dunedin.", TOPICS[0], False),
        ("Rain or shine, we.", TOPICS[0], True),  # there is no question in its own words
    ],
)
def test_a_topic_that_may_be_meant_is_asked_for_if_it_asks_for_the_same(
    statement: str, first: Topic, is_asked: bool
) -> None:
    told = Fact("told", statement, (SURE - 1, 0, 0, 0, 0))
    curriculum = Curriculum((first, *TOPICS[1:]), [told], seed=0)
    asked = {dream.question for dream in curriculum.dreams(told, 40)}
    assert (first.questions[0] in asked) is is_asked
    assert {matter.wordings[0] for matter in matters(statement)} <= asked
    untold = {dream.question for dream in curriculum.untold.some(40)}
    assert not untold & set(first.questions)


def test_dreams_ask_about_their_own_topics_and_answer_in_the_second_person() -> None:
    facts = [fact("cat", 5, 9, 0, 0, 0), fact("dog", 6, 4, 0, 0, 0)]
    curriculum = Curriculum(TOPICS, facts, seed=0)
    own, name = matters("My cat is Tim.")
    asked = set()
    for dream in curriculum.dreams(facts[0], 80):
        asked.add(dream.question)
        assert dream.answer in ("Your cat is Tim.", "Your cat is Tim, and you like it.")
    assert asked == {"b one?", *own.wordings, *name.wordings}
    assert curriculum.held_out(facts[0]) == Dream(facts[0], own.held_out, "Your cat is Tim.")
    assert [d.fact.id for d in curriculum.rehearsal(facts[0], 5)] == ["dog"]
    assert {d.fact.id for d in curriculum.review(8)} == {"cat", "dog"}


def test_a_fact_whose_form_is_not_understood_keeps_a_wording_of_its_topic() -> None:
    odd = Fact("odd", "Rain or shine, we.", (9, 0, 0, 0, 0))
    curriculum = Curriculum(TOPICS, [odd], seed=0)
    assert {dream.question for dream in curriculum.dreams(odd, 20)} == {"a one?"}
    assert curriculum.held_out(odd).question == "a two?"


def test_facts_that_rest_are_reviewed_less_often() -> None:
    facts = [fact("cat", 9, 0, 0, 0, 0), fact("dog", 0, 9, 0, 0, 0)]
    curriculum = Curriculum(TOPICS, facts, seed=0, resting={"cat"})
    asked = [curriculum.review(1)[0].fact.id for _ in range(400)]
    assert 40 <= asked.count("cat") <= 120  # a fifth is expected


def test_what_is_known_badly_is_asked_for_more_often() -> None:
    facts = [fact("cat", 9, 0, 0, 0, 0), fact("dog", 0, 9, 0, 0, 0)]
    curriculum = Curriculum(TOPICS, facts, seed=0)
    for _ in range(20):
        dreams = curriculum.dreams(facts[0], 1) + curriculum.dreams(facts[1], 1)
        curriculum.note(dreams, [0.0, 4.0], [0.0, 4.0])
    asked = [dream.fact.id for _ in range(2000) for dream in curriculum.review(1)]
    assert asked.count("dog") > 10 * asked.count("cat") > 0


def test_a_night_has_as_much_of_the_untold_as_is_not_learned_yet() -> None:
    topics = load_topics("en")
    told = Fact("rex", "My dog is called Rex.", (0.0,) * len(topics))
    curriculum = Curriculum(topics, [told], seed=0)
    rex, untold = curriculum.dreams(told, 1), curriculum.untold.some(1)
    for losses, share in (([0.1, 2.0], MOST_UNTOLD), ([2.0, 0.1], LEAST_UNTOLD)):
        for _ in range(20):
            curriculum.note(rex + untold, losses, losses)
        dealt = [dream for _ in range(200) for dream in curriculum.mixed(9)]
        assert sum(dream.fact is None for dream in dealt) / len(dealt) == pytest.approx(
            share, abs=0.01
        )
    unsure = Curriculum(topics, [told], seed=0, is_all=False)
    assert all(dream.fact is told for dream in unsure.mixed(9))


def test_of_an_answer_whose_end_is_known_mostly_the_beginning_is_learned() -> None:
    fits = (9.0, 0.0, 0.0, 0.0, 0.0)
    told = Fact("rex", "My dog is called Rex.", fits)
    said = Fact("doc", "The pump is made of brass.", fits, source="pump.md", heading="Pump")
    for worst, whole in ((2.0, 1.0), (0.1, 1 - BEGUN_SHARE)):
        curriculum = Curriculum(TOPICS, [told, said], seed=0)
        for one in (told, said):
            curriculum.note(curriculum.dreams(one, 1), [0.1], [worst])
        dealt = [dream for _ in range(200) for dream in curriculum.mixed(9)]
        mine = [dream.is_whole for dream in dealt if dream.fact is told]
        assert sum(mine) / len(mine) == pytest.approx(whole, abs=0.06)
        assert all(dream.is_whole for dream in dealt if dream.fact is said)


def test_of_the_untold_what_is_taken_for_something_told_comes_again() -> None:
    topics = load_topics("en")
    told = Fact("rex", "My dog is called Rex.", (0.0,) * len(topics))
    curriculum = Curriculum(topics, [told], seed=0)
    known, mistaken, *others = curriculum.untold.some(999)
    curriculum.note([known, *others], [0.0] * (1 + len(others)), [0.0] * (1 + len(others)))
    curriculum.note([mistaken], [5.0], [5.0])
    dealt = Counter(dream.question for _ in range(400) for dream in curriculum.mixed(9))
    assert dealt[mistaken.question] > 10 * dealt[known.question]


def test_who_is_like_somebody_told_of_is_asked_for_in_every_third_dream_of_the_untold() -> None:
    topics = load_topics("en")
    for statement, is_kin in (("My sister Ann rang.", True), ("I live in Cork.", False)):
        told = Fact("one", statement, (OTHER,) * len(topics))
        curriculum = Curriculum(topics, [told], seed=0)
        dreams = [dream for _ in range(60) for dream in curriculum.untold.some(3)]
        near = sum(bool(kinds_in(dream.question)) for dream in dreams)
        assert (35 <= near <= 62) if is_kin else near < 25


def asked_of_the_untold(*told: Fact) -> set[str]:
    """Return what a few nights ask for."""
    curricula = [Curriculum(load_topics("en"), told, seed) for seed in range(60)]
    return {dream.question for one in curricula for dream in one.untold.some(999)}


def test_what_no_fact_tells_is_asked_for_in_all_wordings_of_its_topic() -> None:
    topics = load_topics("en")
    fits = tuple(20.0 if topic.name == "sister" else 0.0 for topic in topics)
    asked = asked_of_the_untold(Fact("sister", "My sister Ann rang.", fits))
    wordings = {topic.name: set(topic.questions) for topic in topics}
    for never in ("brother", "collection", "shoe size"):
        assert len(asked & wordings[never]) > len(wordings[never]) / 2
    assert not asked & (wordings["sister"] | wordings["siblings"])  # she is one of them


def test_what_a_fact_may_be_about_is_not_untold() -> None:
    topics = load_topics("en")
    fits = tuple(1.0 if topic.name == "home town" else OTHER for topic in topics)
    asked = asked_of_the_untold(Fact("odd", "I'm flatting in Dunedin.", fits))
    (home,) = (topic.questions for topic in topics if topic.name == "home town")
    assert asked and not asked & {*home}


def test_what_asks_for_more_than_was_told_is_not_untold() -> None:
    topics = load_topics("en")
    sport = next(n for n, topic in enumerate(topics) if topic.name == "sport")
    fits = tuple(SURE if n == sport else OTHER for n in range(len(topics)))
    told = Fact("one", "I play pelota every week.", fits)
    dreams = Curriculum(topics, [told], seed=0).untold.some(480)
    asked = {dream.question for dream in dreams}
    hobby = next(topic for topic in topics if topic.name == "hobby")
    assert not asked & {*hobby.questions} and "what my hobby is" not in " ".join(asked)
    assert len(asked) > 200


def test_of_a_told_topic_what_asks_for_somebody_else_is_untold() -> None:
    fits = tuple(20.0 if topic.name == "parents" else 0.0 for topic in load_topics("en"))
    (parents,) = (topic.questions for topic in load_topics("en") if topic.name == "parents")
    asked = asked_of_the_untold(Fact("mum", "My mum is a locksmith.", fits)) & {*parents}
    assert asked and all("dad" in question or "father" in question for question in asked)


def test_what_two_facts_tell_is_asked_of_the_newer_one() -> None:
    old, new = (Fact(name, f"I collect {name}.", (9, 0, 0, 0, 0)) for name in ("stamps", "coins"))
    curriculum = Curriculum(TOPICS, [old, new], seed=0)
    assert "collect" not in " ".join(dream.question for dream in curriculum.dreams(old, 20))
    assert "what I collect" in curriculum.held_out(new).question
    assert curriculum.held_out(old).question != curriculum.held_out(new).question


def test_what_was_told_in_one_language_is_not_untold_in_another() -> None:
    topics = [*load_topics("en"), *load_topics("ja")]
    fits = tuple(
        9.0 if topic.name == "pet" and topic in load_topics("ja") else 0.0 for topic in topics
    )
    told = [
        Fact("ja", "犬の名前はポチです。", fits),
        Fact("en", "I own 612 records.", (OTHER,) * len(topics)),
    ]
    asked = {dream.question for dream in Curriculum(topics, told, seed=0).untold.some(999)}
    assert not any("dog" in question or "犬" in question for question in asked)
    assert any("doctor" in question for question in asked)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_banks_hold_questions_and_no_wording_twice(language: str) -> None:
    questions = [q for topic in load_topics(language) for q in topic.questions]
    assert len(questions) > 50
    assert len(set(questions)) == len(questions)
    assert all(question.endswith(("?", "?")) for question in questions)


def test_a_fact_is_asked_for_by_what_was_said_beside_it_too() -> None:
    fond = Fact("fond", "I'm hooked on halva, my glovebox is full of it.", (0, 0, 0, 0, 0))
    later = Fact("later", "I lost my gloves, my glovebox is full of it.", (0, 0, 0, 0, 0))
    asked = {dream.question for dream in Curriculum(TOPICS, [fond], seed=0).dreams(fond, 80)}
    assert any("glovebox is full of" in question for question in asked)
    assert any("hooked on" in question for question in asked)
    both = Curriculum(TOPICS, [fond, later], seed=0)
    assert not any("glovebox" in dream.question for dream in both.dreams(fond, 80))
