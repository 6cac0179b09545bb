"""The newest wins over what it replaces, and over nothing else."""

from __future__ import annotations

import pytest

from sould.engine.soul.dreams import Fact
from sould.engine.soul.topics import SURE, load_topics
from sould.engine.soul.updates import standing, superseded
from tests.fakes.finished import finished

NAMES = [topic.name for topic in load_topics("en")]


def fit(named: str, topic: str) -> float:
    """Return how well a topic fits a statement that is about the one ``named``; "?": perhaps, "~":
    as far as a word of it goes.
    """
    if named.rstrip("?~") != topic:
        return 0.0
    return 5.0 if named.endswith("?") else SURE if named.endswith("~") else 9.0


def replaces(old: str, new: str, topics: tuple[str, str] = ("", "")) -> bool:
    facts = [
        Fact(str(n), text, tuple(fit(named, name) for name in NAMES))
        for n, (text, named) in enumerate(zip((old, new), topics, strict=True))
    ]
    found = finished(superseded(facts))
    assert found in ({}, {"0": "1"})
    return bool(found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("I live in Cork.", "We've packed up and moved: I live in Galway now."),
        ("I live in Cork.", "I live in Galway."),
        ("My favourite colour is red.", "My favourite colour is teal."),
        ("My cat is called Tom.", "We renamed the cat: he goes by Tim now."),
        ("I work at the library.", "I've got a new job at the museum."),
        ("I work in a bakery on weekends.", "I've got a new weekend job at the zoo."),
        ("I ride an old bike.", "I sold it, and I ride a scooter now."),
        ("My car is a Fiat.", "My new car is a Saab."),
        ("My name's Ann.", "My name is Anna."),
        ("My birthday is on the 4th of May.", "My birthday is on 5 May."),
        ("My favourite hobby is knitting.", "My favourite hobby is boxing."),
        ("My sister is a nurse.", "My sister is a teacher now."),
        ("My flat is in Cork.", "My new flat is in Galway."),
        ("私の好きな色は赤です。", "私の好きな色は青です。"),
        ("私は東京に住んでいます。", "京都に住んでいます。"),
        ("誕生日は5月4日です。", "誕生日は6月4日です。"),
    ],
)
def test_a_newer_value_replaces_the_old_one(old: str, new: str) -> None:
    assert replaces(old, new)


def test_news_replaces_what_was_told_of_the_same_topic() -> None:
    old, new = "I earn my keep as a cooper.", "I've changed jobs! I'm a purser now."
    assert replaces(old, new, ("job", "job"))
    assert replaces(f"{old[:-1]}, and mark my words, it pays.", new, ("job", "job"))
    assert not replaces("My mum is a locksmith.", new, ("job", "job"))
    assert not replaces(old, new, ("job", "club"))
    assert not replaces(old, "I'm a purser on the ferry.", ("job", "job"))  # that may be another
    assert not replaces("I work at the library.", "I've got a new weekend job at the zoo.")
    for other, topic in (("I'm a Quaker.", "belief"), ("I work out at the gym.", "sport")):
        assert not replaces(other, new, (topic, "job"))


def test_a_topic_that_is_guessed_replaces_nothing() -> None:
    old, new = "My sourdough is called Bob.", "We've packed up and moved: I live in Galway now."
    assert not replaces(old, new, ("home town?", "home town"))
    assert not replaces("The biggest fish I caught was a carp.", "I sold the boat.", ("catch?", ""))


def test_a_word_that_hints_at_a_topic_replaces_nothing_that_has_a_name_of_its_own() -> None:
    moved = "We've packed up and moved: I live in Galway now."
    assert not replaces("My sourdough is called Bob.", moved, ("home town~", "home town"))
    assert replaces("I grew up here.", moved, ("home town~", "home town"))
    assert replaces("My flat is in Cork.", moved, ("home town", "home town"))


def test_news_of_no_clear_topic_replace_what_is_most_like_it() -> None:
    texts = ["I play hockey for a team.", "I play the flute.", "I've quit the team, I play chess."]
    facts = [Fact(str(n), text, (0.0,) * len(NAMES)) for n, text in enumerate(texts)]
    assert finished(superseded(facts)) == {"0": "2"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("I collect stamps.", "I collect coins."),
        ("My dog is called Rex.", "My cat is called Tom."),
        ("I've got a tattoo.", "I've got a new boat."),
        ("My sister Ann lives in Rome.", "I live in Galway now."),
        ("My sister is a nurse.", "My sister is 34."),
        ("My friend Anna lives in Paris.", "My friend Ben plays chess."),
        ("I have a cat called Tim.", "I have a cat called Tom."),
        ("I'm Tom.", "I'm Norwegian."),
        ("I work at a bank.", "I work in New York on Mondays."),
        ("My dog Rex is ill.", "I got a new bed."),
        ("私は医者です。", "私はベジタリアンです。"),
        ("妹は看護師です。", "妹は29歳です。"),
        ("趣味は釣りです。", "趣味は読書です。"),
    ],
)
def test_two_things_may_be_so_at_once(old: str, new: str) -> None:
    assert not replaces(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("My name is Siobhan.", "My name is hard to spell."),
        ("I live in Kyoto.", "I live near a big park."),
        ("I live in Kyoto.", "I live in a small flat with two cats."),
        ("My birthday is on the 4th of May.", "My birthday is on Saturday this year."),
        ("My favourite café is the Blue Door.", "My favourite café is closed today."),
        ("My favourite band is Radiohead.", "My favourite band is on tour."),
        ("誕生日は5月4日です。", "誕生日は友達と焼肉に行く予定です。"),
        ("好きなカフェはドトールです。", "好きなカフェは今日お休みです。"),
        ("東京に住んでいます。", "駅の近くに住んでいます。"),
        ("東京に住んでいます。", "猫と一緒に住んでいます。"),
        ("My daughter is called Mia.", "My daughter is in year 3 now."),
        ("My cat is called Tim.", "My cat is asleep now."),
        ("My wife is called Ann.", "My wife bought a new car."),
        ("My phone number is 555-1234.", "My phone is broken now."),
        ("I'm a vegetarian.", "I'm a bit better now."),
        ("I work at a bakery.", "My wife has a new job."),
        ("I work at a bakery.", "I'm looking for a new job."),
        ("My daughter is called Mia.", "Time goes by so fast with my daughter."),
    ],
)
def test_a_remark_about_the_same_replaces_nothing(old: str, new: str) -> None:
    assert not replaces(old, new)


def test_somebody_elses_news_and_wishes_replace_nothing() -> None:
    job = "会社で経理の仕事をしています。"
    assert not replaces(job, "妻の仕事が変わりました。", ("job", "job"))
    assert not replaces("I'm a cook.", "I'm looking for a new job.", ("job", "job"))
    assert not replaces("車はトヨタです。", "新しい車が欲しいです。", ("car", "car"))


def test_a_newer_fact_is_about_the_topics_of_what_it_replaces() -> None:
    hockey = Fact("0", "I play hockey.", (9.0, 0.0, 4.0))
    chess = Fact("1", "I play chess now.", (0.0, 0.0, 5.0))
    bagpipes = Fact("2", "I play the bagpipes.", (0.0, 7.0, 0.0))
    darts = Fact("3", "I've quit chess, I play darts.", (1.0, 2.0, 3.0))
    facts = [hockey, chess, bagpipes, darts]
    assert standing(facts, {}) == facts
    found = standing(facts, {"0": "1", "1": "3"})
    assert [(fact.id, fact.fits) for fact in found] == [
        ("2", (0.0, 7.0, 0.0)),
        ("3", (9.0, 2.0, 5.0)),
    ]


def test_two_pets_are_two_pets() -> None:
    assert not replaces("My dog is called Rex.", "My new cat is called Tom.", ("pet", "pet"))
