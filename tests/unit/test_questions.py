"""Questions made of a statement's own words, and those for what was never told."""

from __future__ import annotations

import pytest

from sould.engine.soul.banks import sections
from sould.engine.soul.questions import asks_for_another, matters
from sould.engine.soul.topics import load_topics
from sould.engine.soul.untold import untold_matters
from sould.engine.soul.wordings import FRAMES


@pytest.mark.parametrize(
    ("statement", "asked"),
    [
        ("My name is Laszlo.", ["what my name is"]),
        ("I'm Priya.", ["who I am", "what I am called", "my name"]),
        ("Everybody calls me Lou.", ["what I am called", "my name"]),
        ("I am a retired lighthouse keeper.", ["what I am", "what I do", "my job"]),
        ("I've lived in Cork for ten years.", ["where I've lived"]),
        ("My wife's name is Ingrid.", ["who my wife is", "the name of my wife"]),
        (
            "My daughter Noor plays the oboe.",
            ["who my daughter is", "the name of my daughter", "what my daughter plays"],
        ),
        ("My uncle never watches films.", ["what my uncle watches"]),
        ("My mum speaks French.", ["what my mum speaks"]),
        ("My name's Anna.", ["what my name is"]),
        ("My son, who is 5, loves trains.", ["what my son loves"]),
        ("I get up at 6.", ["when I get up"]),
        ("I was born on Jan. 5.", ["when I was born"]),
        (
            "We've got a cat, her name is Lu.",
            ["what my cat is called", "the name of my cat", "what we've got"],
        ),
        ("My aunt sent me a hat.", ["what I said about my aunt"]),
        (
            "We sold the boat: it goes by Nereus now.",
            ["what my boat is called", "the name of my boat", "what we sold"],
        ),
        (
            "Our quiz team is called The Pips.",
            ["what our quiz team is called", "the name of our quiz team"],
        ),
        (
            "We have two cats called Salt and Pepper.",
            ["what my cats are called", "the name of my cats", "what we have"],
        ),
        ("My favourite colour is teal.", ["what my favourite colour is"]),
        ("Our choir is the Larks.", ["what our choir is", "the name of our choir"]),
        ("I own 40 kites.", ["how many kites I own", "what I own"]),
        ("My birthday is the 3rd of March.", ["when my birthday is"]),
        ("I was born on 3 March 1980.", ["when I was born"]),
        ("I'm allergic to peanuts.", ["what I'm allergic to"]),
        ("On Sundays I bake rye bread.", ["what I bake on Sundays"]),
        ("I proposed to her in Lisbon.", ["where I proposed to her"]),
        ("The best book I ever read is Middlemarch.", ["what the best book I ever read is"]),
        ("Friday nights are for poker.", ["what Friday nights are for"]),
        ("My flight leaves from gate B12.", ["what I said about my flight"]),
        ("Rain or shine.", []),
        ("猫の名前はタマです。", ["猫の名前は何です"]),
        ("京都に住んでいます。", ["どこに住んでいます"]),
        ("毎朝ほうじ茶を飲みます。", ["何を飲みます"]),
    ],
)
def test_a_statement_is_turned_into_what_it_answers(statement: str, asked: list[str]) -> None:
    assert [matter.words for matter in matters(statement)] == asked


def test_a_matter_has_several_wordings_and_one_for_exams() -> None:
    (matter,) = matters("I collect stamps.")
    assert len(matter.wordings) == 1 + len(FRAMES["en"]) and "what I collect" in matter.held_out
    assert matter.held_out not in matter.wordings
    assert not any("stamps" in wording for wording in (*matter.wordings, matter.held_out))


def untold(
    statements: list[str], topics: frozenset[str] = frozenset(), language: str = "en"
) -> set[str]:
    return {matter.words for matter in untold_matters(statements, topics, language)}


def test_what_was_told_is_not_among_the_untold() -> None:
    assert len(untold([])) > 100 and "who my boss is" in untold([])
    told = untold(["My boss is Mrs. Ode."])
    assert "who my boss is" not in told and "who my doctor is" in told
    of_others = untold(["I earn my keep as a cooper."], frozenset({"job"}))
    assert "what my job is" not in of_others and "who my doctor is" in of_others
    japanese = untold(["妻の名前は花子です。毎日六時に起きます。"], language="ja")
    assert not {"私の妻の名前は何です", "私は何時に起きます"} & japanese
    assert "私の上司は誰です" in japanese


def test_what_is_near_to_what_was_told_was_not_told_with_it() -> None:
    told = untold(["My mum is called Jo.", "My cat's name is Tim."], frozenset({"parents", "pet"}))
    assert "what my father is called" in told and "what my dog is called" in told
    assert not {"who my mother is", "what my cat is called"} & told


def test_a_question_that_names_another_is_none_of_a_statement() -> None:
    assert asks_for_another("What's my dog's name?", "My ferret is called Mo.")
    assert asks_for_another("What does my father do?", "My mum is a baker.")
    assert not asks_for_another("What does my mother do?", "My mum is a baker.")
    assert not asks_for_another("What is my pet called?", "My ferret is called Mo.")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_may_be_untold_is_listed_by_topics_that_there_are(language: str) -> None:
    names = {topic.name for topic in load_topics(language)}
    assert sections(f"untold_{language}.txt").keys() <= names | {"other"}


def test_where_somebody_comes_from_is_no_name() -> None:
    for statement in (
        "I'm Norwegian.",
        "I'm Bob's student.",
        "I was Bob.",
        "I am French and tall.",
    ):
        assert not {"my name", "who I am"} & {matter.words for matter in matters(statement)}


def test_a_plain_question_is_among_the_wordings_of_what_was_told_and_of_what_was_not() -> None:
    untold = {matter.words: matter.wordings for matter in untold_matters([], frozenset(), "en")}
    assert untold["what my horse is called"][0] == "What is my horse called again?"
    assert untold["where I work"][:2] == ("Where do I work again?", "Where do I work?")
    assert untold["who taught me to swim"][1] == "Who taught me to swim?"
    assert untold["where I left my umbrella"][1] == "Where did I leave my umbrella?"
    _, _, drives = matters("My cousin Ada drives a van.")
    assert drives.wordings[1] == "What does my cousin drive?"
    assert untold["what I bought last week"][1] == "What did I buy last week?"
    told = {matter.words: matter.wordings for matter in matters("My mule is called Jo.")}
    of_the_horse = [w.replace("horse", "mule") for w in untold["what my horse is called"]]
    assert told["what my mule is called"] == tuple(of_the_horse)
