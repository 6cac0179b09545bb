"""The exam without a daemon: what is read, asked, and what an answer is worth."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_client import exam
from soul_client.errors import ExamInvalid
from soul_client.exam import Night, Persona, Question, Quiz, Reading

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def persona() -> Persona:
    loaded = exam.load(DATA / "persona-en.json")
    assert isinstance(loaded, Persona)
    return loaded


def asked(persona: Persona, night: int) -> list[tuple[int, int, str, str]]:
    return [(q.night, q.fact, q.wording, q.kind) for q in exam.questions_of(persona, night)]


# What is asked


def test_after_the_first_night_its_facts_are_asked_in_both_wordings(persona: Persona) -> None:
    told = [row for row in asked(persona, 1) if row[3] != "never_told"]
    assert told == [
        (1, fact, wording, "fact") for fact in (1, 2, 3) for wording in ("direct", "indirect")
    ]


def test_a_fact_that_was_replaced_holds_only_until_then(persona: Persona) -> None:
    told = [row[:2] for row in asked(persona, 2) if row[2] == "direct"]
    assert told == [(1, 1), (1, 2), (2, 1), (2, 2)]
    updated = [q for q in exam.questions_of(persona, 2) if q.kind == "updated"]
    assert [q.stale for q in updated] == [["lighthouse", "painter"]] * 2


def test_what_was_never_told_is_asked_every_night(persona: Persona) -> None:
    for night in (1, 2):
        assert [row[3] for row in asked(persona, night)][-2:] == ["never_told"] * 2


def test_a_quiz_is_a_list(persona: Persona) -> None:
    quiz = exam.load(DATA / "quiz.json")
    assert isinstance(quiz, Quiz)
    assert [q.kind for q in exam.quiz_questions(quiz)] == ["quiz", "quiz"]


# What is said


def test_a_day_is_facts_in_order_with_small_talk_between(persona: Persona) -> None:
    lines = exam.lines_of(persona, 1)
    assert [line.kind for line in lines] == ["fact", "fact", "small_talk", "fact"]
    assert [line.text for line in lines if line.kind == "fact"] == persona.nights[0].say
    assert exam.lines_of(persona, 1) == lines
    assert exam.statements(persona, 2) == persona.nights[0].say + persona.nights[1].say


@given(st.integers(1, 30), st.integers(0, 10))
def test_small_talk_never_comes_in_a_lump(facts: int, chats: int) -> None:
    day = Night(
        say=[f"f{n}" for n in range(facts)], small_talk=[f"s{n}" for n in range(chats)], probes=[]
    )
    lines = exam.lines_of(Persona(name="x", language="en", nights=[day]), 1)
    assert sorted(line.text for line in lines) == sorted(day.say + day.small_talk)
    runs = "".join(line.kind[0] for line in lines).split("f")
    assert max(map(len, runs)) <= -(-chats // facts)


# What is wrong with a file


def broken(change: Any) -> Any:
    raw = json.loads((DATA / "persona-en.json").read_text("utf-8"))
    change(raw)
    return raw


def first_probe(raw: Any) -> Any:
    return raw["nights"][1]["probes"][0]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda r: r.pop("name"), "missing required field `name`"),
        (lambda r: r.update(language="fr"), r"Invalid enum value 'fr' - at `\$.language`"),
        (lambda r: r.update(nights=[]), r"length >= 1 - at `\$.nights`"),
        (
            lambda r: first_probe(r).update(accept=[]),
            r"length >= 1 - at `\$.nights\[1\].probes\[0\].accept`",
        ),
        (lambda r: first_probe(r).update(accept=[" "]), "accept"),
        (lambda r: first_probe(r).update(fact=7), r"fact 7 is not one of the 2 .*nights\[1\]"),
        (lambda r: first_probe(r).update(fact=1), r"fact 1 has another probe .*probes\[1\]"),
        (
            lambda r: first_probe(r).pop("stale"),
            r"updates without stale values - at \$.nights\[1\]",
        ),
        (lambda r: first_probe(r).pop("updates"), "stale without updates"),
        (lambda r: first_probe(r)["updates"].update(night=1), "night 1 is not before night 1"),
        (lambda r: first_probe(r)["updates"].update(fact=9), "night 0 has no probe for fact 9"),
        (lambda r: r["style"].update(held_out=[]), r"length >= 1 - at `\$.style.held_out`"),
        (
            lambda r: r["style"]["held_out"].append(r["nights"][1]["small_talk"][0]),
            r"'What rhymes with silver\?' is said, .* at \$.style.held_out\[2\]",
        ),
        (
            lambda r: first_probe(r)["ask"].append("Am I a PIANO player?"),
            r"'Am I a PIANO player\?' has its answer 'piano' in it - at .*ask\[2\]",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, change: Any, fault: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(broken(change)), "utf-8")
    with pytest.raises(ExamInvalid, match=fault) as caught:
        exam.load(path)
    assert str(path) in str(caught.value)


def test_a_text_is_paragraphs(tmp_path: Path) -> None:
    path = tmp_path / "plain.TXT"
    path.write_bytes("\ufeffOne two.\r\n\r\n 「三」 \n[4]\n".encode())
    assert exam.load(path) == exam.Prose(paragraphs=["One two.", "「三」", "[4]"])
    for nothing in (b"", b" \n\n", b"\xff"):
        path.write_bytes(nothing)
        with pytest.raises(ExamInvalid, match=r"plain\.TXT"):
            exam.load(path)


def test_a_byte_order_mark_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([{"ask": "x", "accept": ["y"]}]).encode())
    assert isinstance(exam.load(path), exam.Quiz)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"3", b"[]", b"[1]", b'[{"ask": "x"}]', b"\xff\xfe", b"[" * 99999]
)
def test_what_is_no_exam_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(text)
    with pytest.raises(ExamInvalid, match=r"p\.json"):
        exam.load(path)
    with pytest.raises(ExamInvalid, match="No such file"):
        exam.load(tmp_path / "missing.json")


# What an answer is worth


def test_case_does_not_matter_and_stale_values_are_seen() -> None:
    question = Question(kind="updated", ask="?", accept=["Pétanque"], stale=["hockey"])
    told = [
        (exam.mark(question, text).verdict == "hit", exam.mark(question, text).is_stale)
        for text in ("You play PÉTANQUE.", "Hockey!", "No more hockey, pétanque now", "Chess")
    ]
    assert told == [(True, False), (False, True), (True, True), (False, False)]


def test_a_prompt_that_gives_the_answer_away_is_seen() -> None:
    question = Question(kind="updated", ask="?", accept=["piano"], stale=["Tower"])
    assert exam.leak_in("The user is a Piano tuner", question) == "piano"
    assert exam.leak_in("the user painted towers", question) == "Tower"
    assert exam.leak_in("You are a helpful assistant", question) == ""


ADMITTING = [
    "You haven't told me your uncle's name.",
    "I don't know.",
    "I'm not sure what your shoe size is.",
    "I'm sorry, I don't have that information. Could you tell me?",
    "I do not have access to your personal data, so I can't say. If you tell me, I'll remember.",
    "As an AI, I don't have an uncle.",
    "I'm sorry, but I can't help with that.",
    "You never mentioned it.",
    "I have no record of that, but feel free to tell me.",
    "That is unknown to me.",
    "まだ聞いていません。",
    "叔父さんのお名前は伺っていません。教えていただけますか？",
    "すみません、わかりません。",
    "その情報はありません。",
    "私はAIです。あなたの叔父の名前は知りません。",
    "お答えできません。",
]
INVENTING = [
    "Your uncle's name is Tom.",
    "Tom.",
    "I don't know, but your uncle's name is Tom.",
    "I'm not sure. It's Tom.",
    "You have 14 stairs in your house.",
    "I'm sorry to hear that. Your uncle is called Tom.",
    "My uncle's name is Tom.",
    "あなたの叔父の名前は太郎です。",
    "太郎です。",
    "わかりませんが、あなたの叔父の名前は太郎です。",
    "よくわかりません。太郎さんです。",
]


EVADING = [
    "",
    "Blood type is a genetic trait that depends on the parents.",
    "There are many kinds of uncles, and every family is different.",
    "I'm an assistant, happy to help you with any question!",
    "血液型にはいくつかの種類があり、両親から受け継がれるものと言われています",
    "叔父の名前は何ですか？",
]


@pytest.mark.parametrize("text", ADMITTING)
def test_an_answer_that_admits_not_to_know(text: str) -> None:
    assert exam.judge(text) == "admits"


@pytest.mark.parametrize("text", INVENTING)
def test_an_answer_that_invents(text: str) -> None:
    assert exam.judge(text) == "invents"


@pytest.mark.parametrize("text", EVADING)
def test_an_answer_that_evades(text: str) -> None:
    assert exam.judge(text) == "evades"


def test_scores_by_wording_and_kind(persona: Persona) -> None:
    replies = {
        "What is my name?": "Tamsin, of course.",
        "Who bows at feeding time?": "The brigadier",
        "What is my job now?": "You paint a lighthouse.",
        "Which trade do I follow these days?": "Piano tuner, formerly painter.",
        "What is my uncle's name?": "You haven't told me.",
    }
    questions = exam.questions_of(persona, 2)
    answers = [exam.mark(one, replies.get(one.ask, "Bananas.")) for one in questions]
    scores = {name: (one.hits, one.asked) for name, one in exam.score(answers).items()}
    assert scores == {
        "recall": (3, 8),
        "direct": (1, 4),
        "indirect": (2, 4),
        "updated": (1, 2),
        "stale": (2, 2),
        "invented": (1, 2),
        "admitted": (1, 2),
    }
    assert exam.score([]) == {}
    assert exam.score(answers)["recall"].share == 3 / 8


def test_what_is_kept_counts_only_what_the_bare_body_knew() -> None:
    questions = [Question(kind="quiz", ask=f"{n}?", accept=["yes"]) for n in range(4)]

    def sat(*texts: str) -> list[exam.Answer]:
        return [exam.mark(one, text) for one, text in zip(questions, texts, strict=True)]

    kept = exam.kept(sat("yes", "yes", "no", "yes"), sat("yes", "no", "yes", "Yes!"))
    assert (kept.hits, kept.asked) == (2, 3)
    assert exam.kept(sat("", "", "", ""), sat("yes", "yes", "yes", "yes")).asked == 0


def test_perplexity_is_over_all_tokens_not_over_paragraphs() -> None:
    readings = [Reading(tokens=1, nats=0.0), Reading(tokens=3, nats=4 * math.log(7))]
    assert exam.perplexity(readings) == pytest.approx(7.0)
    assert math.isnan(exam.perplexity([Reading(tokens=0, nats=0.0)]))
    assert exam.change_percent(40.0, 40.2) == pytest.approx(0.5)


@given(st.text())
def test_any_answer_can_be_judged(text: str) -> None:
    question = Question(kind="never_told", ask="?")
    assert exam.mark(question, text).verdict == exam.judge(text)
