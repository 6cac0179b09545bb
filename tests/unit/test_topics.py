"""Which topics a statement is about: what the body says of it, and the words that belong to one."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.read_weights import read_weights
from sould.engine.soul import topics as topics_module
from sould.engine.soul.banks import sections
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.scoring import Scorer
from sould.engine.soul.topics import (
    CANDIDATES,
    OTHER,
    SURE,
    Matcher,
    Topic,
    hinted,
    load_topics,
    wider,
)
from sould.engine.template import ChatTemplate
from sould.engine.tokenizer import Tokenizer
from tests.fakes.finished import finished
from tests.fakes.tiny_body import write_tiny_body

PETS = Topic("pet", ("What is my pet called?",), frozenset({"cat", "猫"}))


@pytest.mark.parametrize("statement", ["My cat is Tim.", "Cats? I have two.", "猫を飼っています。"])
def test_a_word_that_belongs_to_a_topic_is_a_hint(statement: str) -> None:
    assert hinted([PETS], statement) == [True]


def test_who_cannot_stand_something_hates_it() -> None:
    hate = Topic("dislikes", ("What do I hate?",), frozenset({"hate"}))
    assert hinted([hate], "I can't abide traffic.") == [True]
    assert hinted([hate], "I stand near the door.") == [False]


def test_what_is_done_for_a_living_is_a_job_and_no_place_to_live_in() -> None:
    topics = load_topics("en")
    found = {
        t.name
        for t, is_it in zip(topics, hinted(topics, "I mow for a living."), strict=True)
        if is_it
    }
    assert "job" in found and "home town" not in found


def test_what_somebody_else_does_is_no_hint_at_what_the_user_does() -> None:
    home = Topic("home town", ("Where do I live?",), frozenset({"live"}))
    assert hinted([home], "My yeast is called Bob and she lives on the boiler.") == [False]
    assert hinted([home], "He really lives there, and I live here.") == [True]


class Guessing(Matcher):
    """Guesses what is hinted at worse than most of what it looks at."""

    def __init__(self) -> None:
        super().__init__(None, None, lambda text: [], "en")  # type: ignore[arg-type]

    def _forward(self, statement: str, questions: Sequence[str]) -> Generator[None, None, Tensor]:
        yield
        return torch.zeros(len(questions))

    def _reverse(self, statement: str, questions: Sequence[str]) -> Generator[None, None, Tensor]:
        yield
        is_hinted = torch.tensor(["get around" in question for question in questions])
        return torch.linspace(-1, 1, len(questions)) * ~is_hinted - 0.5 * is_hinted


def test_a_hint_makes_sure_what_the_body_only_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [topic.name for topic in load_topics("en")]

    def fit() -> float:
        return finished(Guessing().scores("I ride a unicycle."))[names.index("bike or travel")]

    assert fit() >= SURE
    monkeypatch.setattr(topics_module, "SURE_IF_HINTED", 99.0)
    assert 4.0 < fit() < SURE


@pytest.mark.parametrize("statement", ["My catalogue is long.", "I like scat.", "犬がいます。", ""])
def test_a_part_of_a_word_is_none(statement: str) -> None:
    assert hinted([PETS], statement) == [False]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_topic_of_the_banks_has_hints_and_they_are_no_questions(language: str) -> None:
    for topic in load_topics(language):
        assert topic.hints and topic.questions
        assert not any(question.startswith("+") for question in topic.questions)


def test_who_told_of_a_sport_told_of_a_hobby() -> None:
    names = {topic.name for topic in load_topics("en")}
    assert wider({"sport"}) == {"hobby"} and wider({"home town"}) == set()
    for wide, narrower in sections("wider_topics.txt").items():
        assert {wide, *narrower} <= names and wide not in narrower


def test_a_topic_asks_for_what_many_of_its_wordings_begin_with() -> None:
    asks = {topic.name: topic.asks for topic in load_topics("en")}
    assert asks["home town"] == asks["school"] == {"where"}
    assert asks["sister"] == {"who"} and asks["birthday"] == {"when"}
    assert asks["hair"] == asks["food"] == frozenset()


def matcher(folder: Path, interruptions: int = 0) -> Matcher:
    body = open_body(write_tiny_body(folder))
    decoder, tokenizer = Decoder(body.spec, read_weights(body)), Tokenizer.of(body)
    form = ChatForm(ChatTemplate(body, tokenizer), tokenizer.control_ids | tokenizer.special.eos)
    left = iter([False, True] * interruptions)
    scorer = Scorer(decoder, should_yield=lambda: next(left, False))
    return Matcher(scorer, form, tokenizer.encode, "en")


def scores_of(matcher: Matcher, statement: str) -> list[float]:
    return finished(matcher.scores(statement))


def test_some_topics_are_looked_at_and_the_hinted_ones_always(tmp_path: Path) -> None:
    found = matcher(tmp_path)
    statement = "My wife plays the cello on Thursdays."
    scores = scores_of(found, statement)
    assert sum(score != OTHER for score in scores) == CANDIDATES < len(scores)
    is_hinted = hinted(found.topics, statement)
    scored = {
        topic.name: score
        for topic, score, is_so in zip(found.topics, scores, is_hinted, strict=True)
        if is_so
    }
    assert {"partner", "instrument", "weekly habit"} <= scored.keys()
    assert OTHER not in scored.values()
    again = matcher(tmp_path / "again", interruptions=5)
    again.usual.update(found.usual)
    assert scores_of(again, statement) == scores
