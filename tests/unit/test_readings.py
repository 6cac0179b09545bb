"""What a document's statement is asked with, and that it is no fact of the user's."""

from __future__ import annotations

import pytest

from sould.bridge import Told
from sould.engine.soul.curriculum import Curriculum
from sould.engine.soul.dreams import Dream, Fact, shared_out
from sould.engine.soul.facts import told
from sould.engine.soul.night import Gate, Marks
from sould.engine.soul.readings import readings
from sould.engine.soul.topics import OTHER, Topic, load_topics
from sould.engine.soul.updates import superseded

TOPICS = tuple(Topic(name, (f"{name} one?", f"{name} two?")) for name in "abc")
NONE = (OTHER,) * 3


@pytest.mark.parametrize(
    ("statement", "asked"),
    [
        ("The Zorblax Tower is a lighthouse.", "what the Zorblax Tower is"),
        ("The tower was built in 1889 by Ada Quill.", "when the tower was built"),
        ("The first log was written by Ada Quill.", "what the first log was written by"),
        ("The tower stands on a cliff near Vell.", "where the tower stands"),
        ("In 1920, the keeper wrote the first log.", "what the keeper wrote"),
        ("The lamp needs two litres of oil.", "what the lamp needs"),
        ("塔は1889年に建てられた。", "塔について何が書かれています"),
    ],
)
def test_asked_for_what_stands_at_the_end(statement: str, asked: str) -> None:
    found = readings(statement)
    assert found[0].words == asked
    assert asked in found[0].held_out and found[0].held_out not in found[0].wordings


@pytest.mark.parametrize(
    "statement", ["Otters eat fish.", "The three lamps burn oil.", "Rain!", "雨が降る。"]
)
def test_whatever_its_form_it_is_asked_for_by_its_beginning(statement: str) -> None:
    (only,) = readings(statement)
    assert only.words.startswith(("how this goes on: ", "「"))


def test_a_heading_tells_where_it_stands() -> None:
    words = [one.words for one in readings("The lamp is new.", "Guide › Repairs")]
    assert 'what is written about the lamp under "Repairs"' in words


def read(id_: str, statement: str) -> Fact:
    return Fact(id_, statement, NONE, "guide.md", "Guide")


OLD = read("old", "The tower is a lighthouse.")
CAT = Fact("cat", "My cat is called Biscuit.", (5.0, 0.0, 0.0))


def test_a_document_has_no_topic_and_is_answered_as_it_stands() -> None:
    assert shared_out([OLD, CAT]) == [[], [0]]
    assert shared_out([OLD]) == [[]]
    curriculum = Curriculum(TOPICS, [OLD, CAT], seed=0)
    dreams = curriculum.dreams(OLD, 30)
    assert {dream.answer for dream in dreams} == {"The tower is a lighthouse."}
    assert not {dream.question for dream in dreams} & {q for t in TOPICS for q in t.questions}
    assert curriculum.held_out(OLD) == Dream(
        OLD, "Could you remind me what the tower is?", OLD.statement
    )
    assert curriculum.held_out(OLD).question not in {dream.question for dream in dreams}
    assert {d.answer for d in curriculum.dreams(CAT, 9)} == {"Your cat is called Biscuit."}


def test_what_two_say_is_asked_of_the_first_and_none_is_left_without() -> None:
    other = read("new", "The tower is a museum of old lamps.")
    same = [read(name, f"The tower is a lighthouse of {name}.") for name in "ab"]
    curriculum = Curriculum(TOPICS, [OLD, other, *same], seed=0)
    assert "what the tower is?" in curriculum.held_out(OLD).question
    assert all("goes on" in curriculum.held_out(one).question for one in (other, *same))


def test_what_documents_say_was_not_told_by_the_user() -> None:
    topics = load_topics("en")
    fits = (OTHER,) * len(topics)
    dog = Fact("d", "The dog is a pet that lives with a doctor.", fits, "guide.md")
    nights = [Curriculum(topics, [dog], seed).untold.some(999) for seed in range(20)]
    assert any("dog" in dream.question for night in nights for dream in night)


def test_a_document_replaces_nothing() -> None:
    new = read("new", "I now live in Oslo, and my cat is called Rex.")
    steps = superseded([Fact("old", "I live in Bath.", NONE), CAT, new])
    with pytest.raises(StopIteration) as end:
        while True:
            next(steps)
    assert end.value.value == {}


def test_the_gate_is_for_what_the_user_said() -> None:
    before = Marks(recalled={"a": True}, honest=[], drift=0.0, stated={"x": True, "y": True})
    after = Marks(recalled={"a": True}, honest=[], drift=0.0, stated={"x": False, "y": False})
    assert Gate().fault(before, after) == ""
    assert (before.told().facts, before.told().stated, after.told().statements) == (1, 2, 2)


def test_a_record_tells_what_it_says_if_a_document_says_it() -> None:
    assert told(Told(id="1", text="The tower is old.", source="guide.md")) == "The tower is old."
    assert told(Told(id="1", text="The tower is old.")) == ""
