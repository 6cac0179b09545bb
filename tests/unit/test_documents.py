"""Documents: cut into statements, and hostile ones refused or passed over."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_client.wire import Fed
from sould.chats.spool import FILE
from sould.documents import main as reading
from sould.documents import opening, pdf
from sould.documents.passage import Passage
from sould.documents.sentences import Cutter
from sould.documents.text import of_markdown, of_text, paired
from sould.errors import BadRequest, NotFound, SouldError, TooLarge
from sould.soulfile import taught
from tests.fakes.documents import GUIDE, SAID, write_guide, write_pdf

NOON = "2026-11-23T12:00:00.000+09:00"


class Read:
    """What was read of a document: ``done``, and its records."""

    def __init__(self, path: Path, soul: str = "mika") -> None:
        folder = path.parent / ".spool"
        folder.mkdir(exist_ok=True)
        self.done: Fed = reading.read(path, folder, soul=soul, fed=NOON)
        lines = (folder / FILE).read_text("utf-8").splitlines()
        self.records: list[dict[str, Any]] = [json.loads(line) for line in lines]

    @property
    def texts(self) -> list[str]:
        return [one["text"] for one in self.records]

    @property
    def ids(self) -> list[str]:
        return [one["id"] for one in self.records]

    @property
    def unread(self) -> dict[str, str]:
        return {one.name: one.why for one in self.done.unread}


@pytest.fixture(autouse=True)
def _quiet(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    capsys.readouterr()  # progress


def cut(text: str) -> list[str]:
    passages = [Passage(text=text, place=1)]
    return [one.text for one in Cutter().statements(passages)]


def test_a_markdown_document(tmp_path: Path) -> None:
    read = Read(write_guide(tmp_path / "guide.md"))
    assert read.texts == SAID
    assert (read.done.documents, read.done.statements, read.done.left_out) == (1, 2, 2)
    first, second = read.records
    assert (first["role"], first["source"], first["soul"]) == ("document", "guide.md", "mika")
    assert (first["heading"], first["place"]) == ("The Zorblax Tower", 6)
    assert second["heading"] == "The Zorblax Tower › Opening hours"
    assert GUIDE.split("\n")[second["place"] - 1].endswith(second["text"])
    assert first["ts"] == first["imported"] == NOON
    assert taught.unpack(taught.pack(read.ids)) == {*read.ids}
    assert len(json.loads(taught.pack(read.ids))) == 1  # packed as records of the diary are


def test_ids_follow_from_the_words_alone(tmp_path: Path) -> None:
    read = Read(write_guide(tmp_path / "guide.md"))
    renamed = Read(write_guide(tmp_path / "other.txt", "\n\n".join(SAID)))
    assert renamed.ids == read.ids
    assert not {*Read(tmp_path / "guide.md", soul="aki").ids} & {*read.ids}


def test_wrapped_lines_and_places() -> None:
    english = "The tower stands\non a cliff.\n\n\nThe sea\nis near."
    found = [(one.text, one.place) for one in of_text(english)]
    assert found == [("The tower stands on a cliff.", 1), ("The sea is near.", 5)]
    assert [one.text for one in of_text("塔は古い\n建物です。\n")] == ["塔は古い建物です。"]


def test_headings_of_both_forms_and_what_is_no_text() -> None:
    text = "Title\n=====\n\nPart\n---\n\n> A quote is\n> read.\n\n***\n"
    text += "<!-- a\n\nb -->\n### Deep\n`x` is"
    found = [(one.text, one.heading) for one in of_markdown(text)]
    assert found == [("A quote is read.", "Title › Part"), ("x is", "Part › Deep")]
    assert [one.text for one in of_markdown("~~~\nThe code.\n~~\n")] == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Choose File > Print.\n> A fever > 39.", ["Choose File > Print.", "A fever > 39."]),
        ("The mine closed in\n2019. Repairs began.", ["The mine closed in 2019. Repairs began."]),
        ("- It closed in\n  2019. Later\n- b\n+ c", ["It closed in 2019. Later", "b", "c"]),
        ("Steps:\n1. a\n2. b\n\n   more\n3) c", ["Steps:", "a", "b", "more", "c"]),
        ("7. a\n8. [x] b", ["a", "b"]),
        ("3*4 metres, 5*6 metres and 2 * 3 * 4.", ["3*4 metres, 5*6 metres and 2 * 3 * 4."]),
        ("A 5* hotel, 4*, x**2 and y**2.", ["A 5* hotel, 4*, x**2 and y**2."]),
        ("**The *old* tower***, *it* **is**, \\*so*.", ["The old tower*, it is, *so*."]),
        ("これは**「重要」**です。*とても*重要です。", ["これは「重要」です。とても重要です。"]),
        ("~~The museum is closed\non Mondays.~~ The ~~red~~ tower.", ["The tower."]),
        ("About ~5 km, ~~ and ~6 km.", ["About ~5 km, ~~ and ~6 km."]),
        ("塔は~~古い。~~新しい。", ["塔は新しい。"]),
        ("The tower[^1] is A&amp;B's.\n\n[^1]: Or not.", ["The tower is A&B's.", "Or not."]),
        (
            "- [ ] See [the *sea*](/s 'S')![x](y), [a][r], <http://e.org>.",
            ["See the sea, [a][r], ."],
        ),
        ("A <b>lamp</b><!-- old -->&#x202e;\\[^2].", ["A lamp[^2]."]),
        ("`A <b>` \\<b> snake_case_name.", ["A <b> <b> snake_case_name."]),
    ],
)
def test_marks_are_taken_out_and_nothing_else(text: str, read: list[str]) -> None:
    assert [one.text for one in of_markdown(text)] == read


@pytest.mark.parametrize(
    "code",
    [
        "1. First:\n\n       ```sh\n       Code. Of it.\n       ```",
        "- ```\n  Code.\n  ```",
        "    Code.\n\n    Of it.",
        "<div>\nCode.\n</div>",
        "| Name |\n|---|\n| Lamp |",
        "[r]: https://example.org",
        "> ```\n> Code.\n> ```",
        "> ~~~\n> Code.",
        "```\n> Code.\n> ```\n```",
        "Name | Price\n---|---\nLamp | The lamp is cheap.\nNone",
        "| Name | Price |\n|:--|--:|\nLamp | cheap |",
        f"<!-- {'The code. ' * 400}\n\n-->",
        "---\ntitle: Code\n---",
    ],
)
def test_code_tables_and_comments_are_not_read_and_what_follows_is(code: str) -> None:
    read = [one.text for one in of_markdown(f"{code}\n\nThe end.")]
    assert [one for one in read if one != "First:"] == ["The end."]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("```foo``` is a word.\n\nThe end.", ["foo is a word.", "The end."]),
        ("---\nThe tower is old.\n\n---\nThe end.", ["The tower is old.", "The end."]),
        ("Write `<!--` first.\n\nThe end.", ["Write <!-- first.", "The end."]),
        ("The end.\n\n<!-- begun", ["The end."]),
        ("The end.\nName | Price\n--- | ---", ["The end."]),
    ],
)
def test_what_only_looks_like_such_is_read(text: str, read: list[str]) -> None:
    assert [one.text for one in of_markdown(text)] == read


@pytest.mark.parametrize(
    "sign",
    [
        ">",
        "> - ",
        "[",
        "![",
        "[a](",
        "[^a",
        "*a **b ",
        "*あ**い",
        "~~a ",
        "`a``",
        "<!--",
        "&#",
        "|-",
    ],
)
def test_what_is_opened_and_never_closed_is_read_soon(sign: str) -> None:
    used = time.process_time()
    assert len([*of_markdown(sign * 20_000)]) <= 1
    assert time.process_time() - used < 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("World War I began in 1914. The mine was closed. My coat is red. That is mine.", 2),
        ("Tokyo (東京) is the capital of Japan. The city has many parks.", 2),
        ("私立大学は高い。彼岸花は秋に咲きます。こうもりは飛びます。", 3),
        ("Visual Studio CodeはMicrosoftが作りました。", 1),
        ("Dr. Quill was born in St. Ives. She died there.", 1),
        ("The lamp weighs 4.5 kg and the lens weighs more.", 1),
        ("The tower is old. However, the lamp is new.", 2),
        ("This is unclear. The tower is old.", 1),
        ("The tower is old. However it has a new lamp.", 1),
        ("The tower is old. So it was closed in 1950.", 1),
        ("However this is unclear.", 0),
        ("IT departments are large. The lamp is new.", 2),
        ("塔は古い建物です。しかしそれは新しい灯を持っています。", 1),
        ("さらにこの塔は高いです。", 0),
        ("I live in Bath. My cat is called Biscuit.", 0),
        ("Is the tower old? See below:", 0),
        ("Opening hours and prices", 0),
        ("12 34 56 78 90 12 34 56 kg.", 0),
        ("塔は古い建物です。それは海の近くにあります。", 1),
        ("しかし、灯台の光は新しいものです。", 1),
        ("私は塔に住んでいます。塔は古いですか？", 0),
        ("We moved to Bath. The town suits us. Our cat is old. The house is ours. And we sing.", 0),
        ("The US and Our Lady of Lourdes are known. The USB stick is bourgeois.", 2),
        ("オレは塔に住む。ボクも塔に住む。あたしも塔に住む。わたくしも塔に住む。", 0),
        ("我々は塔に住む。白い塔は我が家です。自分は塔に住む。今はうちの猫が住む。", 0),
        ("ボクシングは楽しい。オレンジは甘い。係は各自分担する。三つのうちの一つは古い。", 4),
    ],
)
def test_what_says_something_on_its_own(text: str, said: int) -> None:
    assert len(cut(text)) == said


def test_what_points_back_goes_with_what_it_points_to() -> None:
    assert cut("The tower is old. It is tall. And it is white.") == [
        "The tower is old. It is tall. It is white."
    ]
    long = f"The tower is {'very ' * 40}old."
    assert cut(f"{long} It is tall enough for anybody to see it from the sea.") == [long]
    assert cut("However, the lamp is new.") == ["The lamp is new."]


@pytest.mark.parametrize(
    "text",
    [
        "The shop Bang And Olufsen opened in 1925.",
        "The book So Long was written in 1984.",
        "So Long was written in 1984.",
        "And Then There Were None is a book.",
        "なおみさんは大阪で生まれました。",
        "またたびは猫が好む植物です。",
        "または電話で予約できます。",
    ],
)
def test_no_word_of_a_sentence_is_taken_for_one_that_leads_on(text: str) -> None:
    assert cut(text) == [text]


@given(st.text(alphabet="The tower is.!?\n#-`*[](]_ 塔は。A>|<", max_size=200))
def test_any_text_is_cut_into_parts_of_it(text: str) -> None:
    for passages in (of_text(text), of_markdown(text)):
        passages = list(passages)
        whole = {"".join(one.text.split()).casefold() for one in passages}
        for one in Cutter().statements(passages):
            assert one.text.strip() == one.text and 1 <= one.place <= text.count("\n") + 1
            assert any("".join(one.text.split()).casefold() in passage for passage in whole)


def test_a_folder_hidden_files_links_and_what_is_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / ".git").mkdir()
    write_guide(folder / ".git" / "guide.md")
    write_guide(folder / "sub" / "guide.md")
    write_guide(tmp_path / "outside.md", "The secret is outside.")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    (folder / "up").symlink_to(tmp_path)
    (folder / "photo.jpg").write_bytes(b"x")
    (folder / "empty.txt").write_text("hm\n")
    (folder / "latin.txt").write_bytes("Das Café ist alt und gut.".encode("latin-1"))
    (folder / "zero.txt").write_bytes(b"The tower is\0 old.")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4\n1 0 obj <<")
    (folder / "fake.pdf").write_bytes(b"The tower is old.")
    write_pdf(folder / "locked.pdf", "The tower is old.", password="x")
    os.mkfifo(folder / "pipe.txt")
    read = Read(folder)
    assert read.texts == SAID and read.records[0]["source"] == "docs/sub/guide.md"
    assert read.unread == {
        "docs/link.md": "link",
        "docs/up": "link",
        "docs/photo.jpg": "unknown_kind",
        "docs/empty.txt": "empty",
        "docs/latin.txt": "not_text",
        "docs/zero.txt": "not_text",
        "docs/broken.pdf": "damaged",
        "docs/fake.pdf": "damaged",
        "docs/locked.pdf": "encrypted",
        "docs/pipe.txt": "not_allowed",
    }
    assert read.done.unread_count == len(read.unread)


def test_a_pdf_page_by_page(tmp_path: Path) -> None:
    read = Read(write_pdf(tmp_path / "a.pdf", "The tower is old.", "The lamp burns whale oil."))
    found = [(one["text"], one["place"]) for one in read.records]
    assert found == [("The tower is old.", 1), ("The lamp burns whale oil.", 2)]


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        (
            ["It rains. Anna is old. It must not be taken", "in combination with oil. It is red."],
            [("Anna is old. It must not be taken in combination with oil. It is red.", 1)],
        ),
        (
            ["The old lamp burns the", "very best", "whale oil. The sea is near."],
            [("The old lamp burns the very best whale oil.", 1), ("The sea is near.", 3)],
        ),
        (
            ["The sea is near. The medi-", "cine is red. The tower is old."],
            [("The sea is near.", 1), ("The medicine is red.", 1), ("The tower is old.", 2)],
        ),
        (
            ["The sea is near. The lamp is", "Figure 3 is red."],
            [("The sea is near.", 1), ("Figure 3 is red.", 2)],
        ),
        (["The sea is near. The lamp is new"], [("The sea is near.", 1), ("The lamp is new", 1)]),
        (
            ["塔は古い。白い薬は、", "酒と飲んではいけません。海は塔の近くです。"],
            [("白い薬は、酒と飲んではいけません。", 1), ("海は塔の近くです。", 2)],
        ),
        (
            ["塔は古い建物です。第2章", "海は塔の近くです。"],
            [("塔は古い建物です。", 1), ("海は塔の近くです。", 2)],
        ),
    ],
)
def test_a_sentence_that_a_page_ends_in_is_one(
    pages: list[str], found: list[tuple[str, int]]
) -> None:
    passages = [Passage(text=text, place=n, is_cut=True) for n, text in enumerate(pages, start=1)]
    assert [(one.text, one.place) for one in Cutter().statements(passages)] == found


def test_a_page_number_is_in_no_sentence(tmp_path: Path) -> None:
    lines = ("The medicine must not be taken) Tj 0 -14 Td (- 7 -", "in combination with oil.")
    read = Read(write_pdf(tmp_path / "a.pdf", *lines))
    assert read.texts == ["The medicine must not be taken in combination with oil."]


def test_halves_of_signs_in_a_pdf_are_put_together_or_replaced() -> None:
    assert paired("The \ud83d\ude00 lamp \ud83d.") == "The 😀 lamp �."


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("塔は古い建物です。".encode(encoding))
    assert Read(path).texts == ["塔は古い建物です。"]


def test_what_has_a_secret_in_it_is_not_taken_in(tmp_path: Path) -> None:
    path = write_guide(tmp_path / "a.txt", "The password is hunter2.\n\nThe tower is old.")
    read = Read(path)
    assert (read.texts, read.done.secrets) == (["The tower is old."], 1)
    text = "# Wifi password: Zq8!kLm29xRt\n\nThe lamp is green.\n\n# Tower\n\nThe tower is old."
    read = Read(write_guide(tmp_path / "a.md", text))
    assert (read.texts, read.done.secrets) == (["The tower is old."], 1)


@pytest.mark.parametrize(
    ("where", "what", "value", "error"),
    [
        (opening, "MAX_TEXT_BYTES", 10, BadRequest),
        (reading, "MAX_READ_BYTES", 10, TooLarge),
        (reading, "MAX_STATEMENTS", 1, TooLarge),
    ],
)
def test_limits(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    what: str,
    value: int,
    error: type[SouldError],
) -> None:
    monkeypatch.setattr(where, what, value)
    with pytest.raises(error, match=r"guide\.md: has more than"):
        Read(write_guide(tmp_path / "guide.md"))


def test_limits_of_a_folder_and_of_a_pdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    write_pdf(folder / "sub" / "a.pdf", "The tower is old.", "The lamp is new.")
    monkeypatch.setattr(pdf, "MAX_PAGES", 1)
    assert Read(folder).unread == {"docs/sub/a.pdf": "too_large"}
    monkeypatch.setattr(opening, "MAX_FOLDER_DEPTH", 0)
    with pytest.raises(TooLarge, match="nested deeper"):
        Read(folder)
    monkeypatch.undo()
    monkeypatch.setattr(opening, "MAX_FILES", 0)
    with pytest.raises(TooLarge, match="more than 0 files"):
        Read(folder)


def test_what_is_not_there_or_no_document_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.md: there is no such"):
        Read(tmp_path / "nothing.md")
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"x")
    with pytest.raises(BadRequest, match=r"photo\.jpg: is of no known kind"):
        Read(photo)
