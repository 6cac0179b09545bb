"""Dreams that plugins make: what may be dreamt of them, and how often it is."""

from __future__ import annotations

import msgspec
import pytest

from sould.bridge import Probe
from sould.engine.soul.curriculum import LENT_SHARE, Curriculum
from sould.engine.soul.dreams import Fact, with_lent
from sould.engine.soul.topics import Topic
from sould.plugin import Dream, Told
from sould.supervisor.plugins.dreams import MOST_OF_A_RECORD, choose, says_only

TEXTS = {"cat": "My cat Biscuit was born in 2019.", "犬": "うちの犬はポチという名前です。"}
TOLD = {id_: Told(id=id_, text=text) for id_, text in TEXTS.items()}
TOPICS = (Topic("a", ("a one?", "a two?")), Topic("b", ("b one?", "b two?")))


def dream(answer: str, question: str = "And my cat?", id_: str = "cat") -> Dream:
    return Dream(id=id_, question=question, answer=answer)


def test_what_says_what_was_told_is_dreamt_once() -> None:
    mine = [dream("Your cat Biscuit was born in 2019."), dream(" Biscuit. ", " Who is my cat? ")]
    yours = [dream("Biscuit.", "And my cat?"), dream("あなたの犬はポチです。", "犬の名は?", "犬")]
    chosen, faults = choose([("mine", mine), ("yours", yours)], TOLD)
    assert [(one.id, one.question, one.answer) for one in chosen] == [
        ("cat", "And my cat?", "Your cat Biscuit was born in 2019."),
        ("cat", "Who is my cat?", "Biscuit."),
        ("犬", "犬の名は?", "あなたの犬はポチです。"),
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (dream("Biscuit.", id_="dog"), "of no record of tonight"),
        (dream("Biscuit.\nBiscuit."), "not of one line each"),
        (dream("Biscuit.", "   "), "not of one line each"),
        (dream("Biscuit.", "My password is hunter2, and my cat?"), "there is a secret in it"),
        (dream("Your cat is not Biscuit."), "the answer says what was not told"),
    ],
)
def test_what_may_not_be_dreamt_is_left_out_and_named(bad: Dream, why: str) -> None:
    chosen, faults = choose([("mine", [bad, dream("Biscuit."), bad])], TOLD)
    assert [one.answer for one in chosen] == ["Biscuit."]
    assert faults == [("mine", why, 2)]


@pytest.mark.parametrize(
    ("text", "answer", "is_dreamt"),
    [
        ("Anna is allergic to nuts.", "Anna is allergic to nuts.", True),
        ("Anna is allergic to nuts.", "You are allergic to nuts.", False),
        ("Anna is allergic to nuts.", "ＹＯＵ're allergic to nuts.", False),
        ("Anna's doctor is Dr Quill.", "Your doctor is Dr Quill.", False),
        ("The youth club meets on Monday.", "The youth club.", True),
        ("アンナはそばが食べられません。", "アンナはそばが食べられません。", True),
        ("アンナはそばが食べられません。", "あなたはそばが食べられません。", False),
    ],
)
def test_what_a_document_says_is_not_said_of_the_user(
    text: str, answer: str, is_dreamt: bool
) -> None:
    read, said = (Told(id="cat", text=text, source=source) for source in ("a.md", ""))
    mine = [dream(answer, "And Anna?")]
    chosen, faults = choose([("mine", mine)], {"cat": read})
    assert [one.answer for one in chosen] == [answer] * is_dreamt
    why = "the answer says of the user what a document says"
    assert faults == ([] if is_dreamt else [("mine", why, 1)])
    assert choose([("mine", mine)], {"cat": said})[1] == []


@pytest.mark.parametrize("question", ["What am I allergic to?", "My allergy?", "私は何が嫌い?"])
def test_the_user_does_not_ask_of_themselves_what_a_document_says(question: str) -> None:
    read = Told(id="cat", text="Anna is allergic to nuts.", source="a.md")
    chosen, faults = choose([("mine", [dream("Nuts.", question)])], {"cat": read})
    assert (chosen, [count for *_, count in faults]) == ([], [1])


def test_few_of_a_record() -> None:
    many = [dream("Biscuit.", f"Question {n}?") for n in range(9)]
    chosen, faults = choose([("mine", many)], TOLD)
    assert [one.question for one in chosen] == [f"Question {n}?" for n in range(MOST_OF_A_RECORD)]
    assert faults == []


@pytest.mark.parametrize(
    ("answer", "is_told"),
    [
        ("You're 34 and live in Ōtsu.", True),
        ("YOU LIVE IN ŌTSU", True),
        ("You live in Kyoto.", False),
        ("You are 35.", False),
        ("You never live in Ōtsu.", False),
        ("あなたは大津に住んでいます。", False),
    ],
)
def test_the_words_of_an_answer_are_those_of_the_record(answer: str, is_told: bool) -> None:
    assert says_only(answer, "I am 34 and I live in Ōtsu.") is is_told


@pytest.mark.parametrize(
    ("answer", "is_told"),
    [
        ("ポチです。", True),
        ("犬の名前はポチ", True),
        ("ポチという名前ではない", False),
        ("タマです。", False),
    ],
)
def test_the_same_in_japanese(answer: str, is_told: bool) -> None:
    assert says_only(answer, TEXTS["犬"]) is is_told


def test_a_dream_has_bounds_where_it_crosses() -> None:
    for bad in (dream(""), dream("x" * 201), dream("Biscuit.", "x" * 201)):
        with pytest.raises(msgspec.ValidationError, match="length"):
            msgspec.convert(msgspec.to_builtins(bad), Dream)


def test_a_fact_has_some_of_them_and_none_in_the_words_of_the_exam() -> None:
    plain = Fact("cat", "My cat is Biscuit.", (9.0, 0.0))
    exam = Curriculum(TOPICS, [plain], seed=0).held_out(plain)
    dreams = [
        Probe(id="cat", question="Who purrs?", answer="Biscuit purrs."),
        Probe(id="cat", question=exam.question.upper(), answer="In the words of the exam."),
        Probe(id="other", question="Who barks?", answer="Nobody."),
    ]
    (fact,) = with_lent([plain], dreams)
    curriculum = Curriculum(TOPICS, [fact], seed=0)
    dealt = curriculum.dreams(fact, 400)
    lent = [one for one in dealt if one.question == "Who purrs?"]
    assert LENT_SHARE * 400 * 0.7 < len(lent) < LENT_SHARE * 400 * 1.3
    assert {one.answer for one in lent} == {"Biscuit purrs."}
    assert not {one.answer for one in dealt} & {"In the words of the exam.", "Nobody."}
    assert curriculum.held_out(fact).question == exam.question


def test_without_any_the_dreams_are_what_they_were() -> None:
    fact = Fact("cat", "My cat is Biscuit.", (9.0, 0.0))
    (same,) = with_lent([fact], [])
    before, after = (Curriculum(TOPICS, [one], seed=3).dreams(one, 20) for one in (fact, same))
    assert before == after
