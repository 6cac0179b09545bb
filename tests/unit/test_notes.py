"""What was told is found by what is asked, in both languages, and is gone when it is forgotten."""

from __future__ import annotations

import sqlite3
import time
from datetime import datetime
from pathlib import Path

import pytest

from soul_notes.index import Index
from soul_notes.plugin import note, require_fts5
from soul_notes.words import MOST_CHARS, is_question, passages, terms, units
from sould.supervisor.diary import Diary, Record

NOON = datetime.fromisoformat("2026-11-23T12:00:00+09:00")
TOLD = [
    "My tortoise is called Gherkin.",
    "I live in Kyoto, near the river.",
    "My sister Anna works as a nurse.",
    "What is my tortoise called?",
    "犬の名前はポチです。",
    "妹は東京大学に通っています。",
    "誕生日は三月五日です。",
    "犬の名前を覚えてる?",
    "The weather is nice today.",
]


class Home:
    """A diary with some records, and its index."""

    def __init__(self, folder: Path) -> None:
        self.diary = Diary(folder / "memories", lambda: NOON)
        self.diary.open()
        self.index = Index(folder / "cache" / "soul_notes", self.diary.folder)

    def tell(self, *texts: str, day: str = "2026-11-23", **changes: object) -> None:
        count = sum(1 for path in self.diary.files() for _ in self.diary.read(path))
        records = [
            Record(
                **{  # type: ignore[arg-type]
                    "id": f"r{count + n}",
                    "ts": f"{day}T12:00:{count + n:02}+09:00",
                    "role": "user",
                    "text": text,
                    "session": "s1",
                    "soul": "mika",
                    **changes,
                }
            )
            for n, text in enumerate(texts)
        ]
        self.diary.append_to(day, records)

    def ask(self, text: str, *, most: int = 3, soul: str = "mika") -> list[str]:
        assert self.index.update(10)
        found = self.index.find(text, soul=soul, but_session="now", most=most)
        return [one.text for one in found]

    def on_disk(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.index.folder.iterdir())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.tell(*TOLD)
    return home


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("What is my tortoise called?", "My tortoise is called Gherkin."),
        ("What's the name of my tortoise?", "My tortoise is called Gherkin."),
        ("who is Gherkin", "My tortoise is called Gherkin."),
        ("Where do I live?", "I live in Kyoto, near the river."),
        ("Where does my SISTER work?", "My sister Anna works as a nurse."),
        ("犬の名前は何ですか?", "犬の名前はポチです。"),
        ("うちの犬は?", "犬の名前はポチです。"),
        ("妹の大学はどこだっけ", "妹は東京大学に通っています。"),
        ("ﾎﾟﾁって誰?", "犬の名前はポチです。"),
        ("誕生日を教えて", "誕生日は三月五日です。"),
    ],
)
def test_what_was_told_is_found(home: Home, asked: str, first: str) -> None:
    assert home.ask(asked, most=1) == [first]


@pytest.mark.parametrize(
    "asked",
    [
        "What is the capital of France?",
        "Tell me a joke.",
        "猫は好き?",
        "こんにちは",
        "?",
        "",
        "Hi!",
    ],
)
def test_what_was_not_told_is_not_noted(home: Home, asked: str) -> None:
    assert home.ask(asked) == []


def test_a_note_is_a_few_sentences_without_the_questions() -> None:
    assert list(passages("I have a cat. Do you like cats? It is 5 years old\nReally.")) == [
        "I have a cat. It is 5 years old Really."
    ]
    assert list(passages("へしこです。好き?正直、毎日でも。")) == ["へしこです。正直、毎日でも。"]
    assert list(passages("x" * 5000)) == []
    long = list(passages("I have a cat, a dog and a newt. " * 40))
    assert len(long) > 3 and all(200 < len(piece) <= MOST_CHARS for piece in long[:-1])
    for question in ("what is it", "Is it mine", "どこですか。", "名前は何?", "教えて"):
        assert is_question(question), question
    assert not is_question("I know what it is.") and not is_question("静かな町です。")


def test_words_of_one_and_two_characters_are_words() -> None:
    assert terms("犬の名前") == ["犬の", "の名", "名前", "犬", "名", "前"]
    assert terms("Ｂｉｓｃｕｉｔ's カード") == ["biscuit", "s", "カー", "ード"]
    assert units("私の犬の名前は?") == [("犬",)] and units("私の名前は?") == [("名前", "名", "前")]
    assert units("my tortoise's name") == [("tortoise",)] and units("my name") == [("name",)]
    assert units("さくらとは") == [("さく",), ("くら",), ("らと",), ("とは",)]


def test_of_two_souls_each_has_its_own(home: Home) -> None:
    home.tell("My tortoise is called Rex.", soul="other")
    home.tell("My tortoise is green.", soul="")
    assert home.ask("my tortoise?", soul="other") == [
        "My tortoise is called Rex.",
        "My tortoise is green.",
    ]


def test_what_may_not_be_learned_and_what_was_answered_is_not_noted(home: Home) -> None:
    home.tell("My zebra is called hunter2.", learn=False)
    home.tell("Your zebra is called Zoe.", role="assistant")
    assert home.ask("What is my zebra called?") == []
    assert b"hunter2" not in home.on_disk() and b"Gherkin" in home.on_disk()


def test_of_what_was_said_again_the_newest_counts_and_the_order_is_that_of_time(home: Home) -> None:
    home.tell("I live in Osaka.", day="2026-11-25")
    home.tell("i live in Osaka!", day="2026-11-24")
    assert home.ask("Where do I live?") == ["I live in Kyoto, near the river.", "I live in Osaka."]


def test_what_is_in_the_conversation_anyway_is_not_noted(home: Home) -> None:
    assert home.index.update(10)
    found = home.index.find("my tortoise", soul="mika", but_session="s1", most=3)
    assert found == []


def test_it_goes_on_where_it_was(home: Home) -> None:
    assert home.ask("my parrot?") == []
    before = home.index.folder.joinpath("notes.sqlite").stat().st_ino
    home.tell("My parrot speaks Dutch.")
    assert home.ask("my parrot?") == ["My parrot speaks Dutch."]
    assert home.index.folder.joinpath("notes.sqlite").stat().st_ino == before


def test_what_is_forgotten_is_nowhere(home: Home) -> None:
    assert home.ask("my tortoise?")
    home.diary.remove({"r0"})
    assert home.ask("my tortoise?") == []
    assert b"Gherkin" not in home.on_disk() and b"Kyoto" in home.on_disk()
    home.diary.files()[0].unlink()
    assert home.ask("Where do I live?") == [] and b"Kyoto" not in home.on_disk()


def test_what_was_replaced_is_not_noted(home: Home) -> None:
    assert home.ask("my tortoise?")
    new = Record(id="new", ts="", role="user", text="Hm.", session="s1", soul="mika")
    home.diary.append([new], ["r0"])
    assert home.ask("my tortoise?") == []
    assert home.ask("Where do I live?") == ["I live in Kyoto, near the river."]


@pytest.mark.parametrize("damage", [b"", b"not a database" * 99, None])
def test_it_is_made_anew_where_it_is_missing_or_damaged(home: Home, damage: bytes | None) -> None:
    assert home.ask("my tortoise?")
    path = home.index.folder / "notes.sqlite"
    path.unlink() if damage is None else path.write_bytes(damage)
    if damage:
        with pytest.raises(sqlite3.DatabaseError):
            home.index.update(10)
    assert home.ask("my tortoise?") == ["My tortoise is called Gherkin."]
    assert path.stat().st_mode & 0o077 == 0


def test_an_index_of_another_version_is_made_anew(home: Home) -> None:
    assert home.ask("my tortoise?")
    with sqlite3.connect(home.index.folder / "notes.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(sqlite3.DatabaseError, match="99"):
        home.index.update(10)
    assert home.ask("my tortoise?")


def test_a_long_diary_is_read_in_pieces_newest_first(home: Home) -> None:
    home.tell(*(f"Fact {n} is about thing{n}." for n in range(50)), day="2026-11-20")
    assert not any(home.index.update(0) for _ in TOLD)  # a line a call, where there is no time
    found = home.index.find("tortoise", soul="mika", but_session="", most=9)
    assert found and not home.index.find("thing0", soul="mika", but_session="", most=9)
    assert home.ask("thing49?") == ["Fact 49 is about thing49."]


def test_a_line_that_is_not_whole_is_read_when_it_is(home: Home) -> None:
    assert home.ask("my tortoise?")
    (path,) = home.diary.files()
    with path.open("ab") as file:
        file.write(b'{"role": "user", "text": "My newt is Bob.", ')
        file.flush()
        assert home.ask("my newt?") == []
        file.write(b'"soul": "mika", "timestamp": "2026-11-23T13:00:00"}\nrubbish\n')
    assert home.ask("my newt?") == ["My newt is Bob."]


def test_it_is_quick(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.tell(*(f"My friend number {n} likes food{n % 97}." for n in range(1500)))
    assert home.index.update(60)
    begun = time.process_time()
    assert home.ask("Which food7 does my friend number 1366 like?", most=1)
    assert time.process_time() - begun < 0.05


def test_how_notes_are_put(home: Home) -> None:
    assert home.index.update(10)
    (found,) = home.index.find("my tortoise?", soul="mika", but_session="", most=1)
    assert note([found], "my tortoise?").splitlines()[1:] == [
        "- 2026-11-23: My tortoise is called Gherkin."
    ]
    assert "メモ" in note([found], "私の亀は?")


def test_this_python_can_search() -> None:
    require_fts5()
