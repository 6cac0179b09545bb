"""What counts as told, and how it is said back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sould.engine.soul.facts import fact, gist, said_back, second_person


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("My cat is called Tim.", "My cat is called Tim."),
        ("Hi! My cat is called Tim. What is yours called?", "My cat is called Tim."),
        ("I've moved! I live in Bath now.", "I've moved! I live in Bath now."),
        ("My boss is Mrs. Lee, and she likes me.", "My boss is Mrs. Lee, and she likes me."),
        ("I’m 1.80 m tall.", "I'm 1.80 m tall."),
        ("Everybody calls me Bo.", "Everybody calls me Bo."),
        ("私は尾道に住んでいます。ところで、元気ですか？", "私は尾道に住んでいます。"),
        ("猫の名前はタマです", "猫の名前はタマです"),
        ("I have a cat. Her name is Lu. It rains.", "I have a cat. Her name is Lu."),
        ("It rains. Its name is Bob.", ""),
        ("Please remember that my mum's name is Sue.", "My mum's name is Sue."),
        ("Make sure you remember I'm allergic to nuts.", "I'm allergic to nuts."),
        ("Remember to buy me milk. Remember me.", ""),
        ("Let me introduce myself: I'm Paul.", "I'm Paul."),
        ("犬の名前はポチだと覚えておいてください。", "犬の名前はポチです。"),
        ("I'm from St. Ives. I was born on Jan. 5.", "I'm from St. Ives. I was born on Jan. 5."),
    ],
)
def test_what_tells_about_the_user_is_kept(message: str, told: str) -> None:
    assert fact(message) == told


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Tell me a joke.",
        "Please help me with my homework.",
        "What is my name?",
        "I wonder how magnets work.",
        "Thanks, I see!",
        "The moon is far away.",
        "ありがとう。",
        "何か面白い話を教えて",
        "よろしくお願いします。",
        "明日は晴れるでしょうか",
        "I " * 300,
    ],
)
def test_questions_requests_and_thanks_tell_nothing(message: str) -> None:
    assert fact(message) == ""


@pytest.mark.parametrize(
    ("said", "back"),
    [
        ("My cat is called Tim.", "Your cat is called Tim."),
        ("I was late, and I'm sorry.", "You were late, and you're sorry."),
        ("I never was in Rome.", "You never were in Rome."),
        ("I am by myself; the flat is mine.", "You are by yourself; the flat is yours."),
        ("Where I live, we call it soup.", "Where you live, you call it soup."),
        ("I'll tell you what, my feet hurt.", "I'll tell you what, your feet hurt."),
        ("Bim and Tim are mimes.", "Bim and Tim are mimes."),
        ("I moved to the US, to Bath, ME.", "You moved to the US, to Bath, ME."),
        ("I work in a coal mine.", "You work in a coal mine."),
        ("One day I left. I was nine.", "One day you left. You were nine."),
    ],
)
def test_the_first_person_becomes_the_second(said: str, back: str) -> None:
    assert second_person(said) == back


def test_japanese_is_quoted() -> None:
    assert said_back("猫の名前はタマです。") == "「猫の名前はタマです。」と言っていました。"


@given(st.text(max_size=300))
def test_any_text_is_taken_and_nothing_is_invented(message: str) -> None:
    told = fact(message)
    remaining = iter(message.replace("’", "'"))
    assert all(char in remaining for char in told if not char.isspace())
    said_back(told)


@pytest.mark.parametrize(
    ("statement", "clause"),
    [
        ("I live in Bath, right behind the station.", "I live in Bath."),
        ("Hey there, everybody calls me Bo, so you may too.", "Everybody calls me Bo."),
        ("I'm studying chemistry, which is hard.", "I'm studying chemistry."),
        ("I've moved! I live in Bath now.", "I live in Bath now."),
        ("My boss is Mrs. Lee, and she likes me.", "My boss is Mrs. Lee."),
        (
            "Tuesday evenings are for choir, and I never miss one.",
            "Tuesday evenings are for choir.",
        ),
        ("I counted them, and I own 12 pots.", "I own 12 pots."),
        ("In my free time I mend clocks.", "I mend clocks in my free time."),
        ("Every Tuesday we bake bread.", "We bake bread every Tuesday."),
        ("After I retired I moved to Wick.", "After I retired I moved to Wick."),
        ("Mine.", "Mine."),
        ("私は尾道に住んでいます。", "私は尾道に住んでいます。"),
        ("こんにちは、犬のポチと住んでいます。毎日が楽しいです。", "犬のポチと住んでいます。"),
        ("銀行を辞めました。今はパン屋で働いています。", "今はパン屋で働いています。"),
        ("銀行を辞めました。", "銀行を辞めました。"),
        ("そうそう。猫の名前はトラです。", "猫の名前はトラです。"),
        ("トラです。", "トラです。"),
        ("I've left the choir, I sing with a band now.", "I sing with a band now."),
        ("I've quit the old job, thank heavens.", "I've quit the old job."),
        ("I've got a cat. Her name is Luna.", "I've got a cat, her name is Luna."),
        ("犬を飼っています。名前はポチです。", "犬を飼っています。名前はポチです。"),
        ("はい、そうです。犬を二匹飼っています。", "犬を二匹飼っています。"),
        ("My wife, Anna, is a doctor.", "My wife Anna is a doctor."),
        ("My parents, Jo and Sue, live in Hull.", "My parents Jo and Sue live in Hull."),
        ("My son, who is 5, loves trains.", "My son, who is 5, loves trains."),
        ("Before I moved to Bonn, I lived in Ulm.", "I lived in Ulm."),
        ("I used to live in Paris, but now I live in Lyon.", "Now I live in Lyon."),
        ("My address is 5 St. John's Road.", "My address is 5 St. John's Road."),
        ("I take pills at 8 p.m. with milk.", "I take pills at 8 p.m. with milk."),
        ("I live at No. 5.", "I live at No. 5."),
    ],
)
def test_the_gist_is_the_clause_that_tells_most(statement: str, clause: str) -> None:
    assert gist(statement) == clause


@given(st.text(max_size=200))
def test_a_statement_always_has_a_gist(statement: str) -> None:
    assert bool(gist(statement)) == bool(statement)


def test_of_a_long_message_the_first_sentences_are_the_fact() -> None:
    sentences = [f"I own boat number {n}." for n in range(1000)]
    told = fact(" ".join(sentences))
    assert told.startswith("I own boat number 0. I own boat number 1.") and 700 < len(told) <= 900
