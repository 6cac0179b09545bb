"""What of the diary is to be forgotten, and how it is taken out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sould.supervisor.diary import Diary, Record, Statement
from sould.supervisor.finding import Found, find, plain

NOW = datetime(2026, 3, 4, tzinfo=UTC)


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    diary = Diary(tmp_path / "memories", lambda: NOW)
    diary.open()
    return diary


def say(diary: Diary, n: int, said: str, reply: str = "ok", **more: str) -> None:
    known = {"ts": NOW.isoformat(), "session": "s", "soul": "mika", **more}
    diary.append(
        [
            Record(id=f"{n}u", role="user", text=said, **known),  # type: ignore[arg-type]
            Record(id=f"{n}a", role="assistant", text=reply, **known),  # type: ignore[arg-type]
        ]
    )


def look(diary: Diary, what: str, taught: frozenset[str] = frozenset()) -> Found:
    return find(diary, "mika", taught, what)


def ids(found: Found) -> tuple[list[str], list[str]]:
    return [r.id for r in found.told], [r.id for r in found.replies]


def test_a_text_whatever_its_case_and_width_with_the_replies_to_it_and_those_that_say_it(
    diary: Diary,
) -> None:
    say(diary, 1, "My cat is called  Ｂｉｓｃｕｉｔ!")
    say(diary, 2, "I live in Bath.")
    say(diary, 3, "What is she called?", "BISCUIT.", session="t")
    assert ids(look(diary, "called biscuit")) == (["1u"], ["1a"])
    assert ids(look(diary, "bIscuit")) == (["1u"], ["1a", "3a"])
    assert ids(look(diary, "Gherkin")) == ([], [])


def test_an_id_is_a_turn_and_no_text(diary: Diary) -> None:
    say(diary, 1, "one")
    say(diary, 2, "I said 1u.")
    for id_ in ("1u", "1a"):
        assert ids(look(diary, id_)) == (["1u"], ["1a"])


def test_only_what_this_soul_was_told_or_taught_or_none_was_worn_for(diary: Diary) -> None:
    say(diary, 1, "Biscuit", soul="other")
    say(diary, 2, "Biscuit", soul="")
    say(diary, 3, "Biscuit")
    assert ids(look(diary, "biscuit")) == (["2u", "3u"], ["2a", "3a"])
    assert ids(look(diary, "biscuit", frozenset({"1u"})))[0] == ["1u", "2u", "3u"]
    assert ids(look(diary, "1u")) == ([], [])


def test_a_reply_belongs_to_what_was_said_before_in_its_session(diary: Diary) -> None:
    say(diary, 1, "Biscuit")
    lines = (diary.folder / "2026-03-04.jsonl").read_text().splitlines()
    say(diary, 2, "two", session="t")
    path = diary.folder / "2026-03-04.jsonl"
    two = path.read_text().splitlines()[2:]
    path.write_text("\n".join([lines[0], *two, lines[1]]) + "\n")
    assert ids(look(diary, "biscuit")) == (["1u"], ["1a"])


def test_what_is_taken_out_is_gone_and_the_rest_is_as_it_was(diary: Diary) -> None:
    for n in (1, 2, 3):
        say(diary, n, f"q{n}")
    path = diary.folder / "2026-03-04.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    torn = diary.folder / "2026-03-03.torn"
    torn.write_text('{"text":"q2')
    diary.remove({"2u", "2a", "9u"})
    assert path.read_bytes() == b"".join(lines[:2] + lines[4:])
    assert path.stat().st_mode & 0o077 == 0 and not torn.exists()
    diary.remove({"2u"})
    say(diary, 4, "q4")
    assert [record.id for record in diary.read(path)] == ["1u", "1a", "3u", "3a", "4u", "4a"]


def test_records_known_by_their_line_keep_their_ids(
    diary: Diary, caplog: pytest.LogCaptureFixture
) -> None:
    path = diary.folder / "2025-12-31.jsonl"
    old = [{"role": "user", "text": f"q{n}", "timestamp": NOW.isoformat()} for n in (1, 2, 3)]
    path.write_text("".join(json.dumps(one) + "\n" for one in old) + '{"role":"user","te')
    for _ in range(2):
        diary.remove({"2025-12-31/2"})
        kept = {record.id: record.text for record in diary.read(path)}
        assert kept == {"2025-12-31/1": "q1", "2025-12-31/3": "q3"}
    assert "q2" not in path.read_text() and not list(diary.folder.glob("*.torn"))
    caplog.clear()
    list(diary.read(path))
    assert not caplog.records, "an empty line is no fault"


def test_texts_are_compared_without_case_width_and_breaks() -> None:
    assert plain(" Ｂiscuit\n ＩＳ  ｶﾌｪ") == "biscuit is カフェ"
    assert plain("Straße") == plain("STRASSE")


def renew(diary: Diary, n: int, answers: int, reply: str) -> None:
    known = {"ts": NOW.isoformat(), "session": "s", "soul": "mika", "reply_to": f"{answers}u"}
    diary.append([Record(id=f"{n}a", role="assistant", text=reply, **known)])  # type: ignore[arg-type]


def test_a_reply_made_anew_goes_with_what_was_said(diary: Diary) -> None:
    say(diary, 1, "My cat is Biscuit")
    say(diary, 2, "two")
    renew(diary, 3, 1, "A fine name.")
    renew(diary, 4, 2, "Biscuit?")
    assert ids(look(diary, "1u")) == (["1u"], ["1a", "3a"])
    assert ids(look(diary, "3a")) == (["1u"], ["1a", "3a"])
    assert ids(look(diary, "biscuit")) == (["1u"], ["1a", "3a", "4a"])


def test_every_reply_of_a_turn_goes_with_it_also_one_of_the_day_after(diary: Diary) -> None:
    def line(id_: str, role: str, text: str) -> Record:
        known = {"ts": NOW.isoformat(), "session": "chat", "soul": "mika", "imported": "then"}
        return Record(id=id_, role=role, text=text, **known)  # type: ignore[arg-type]

    evening = [
        line("20260303T120000-0u", "user", "My lover is called Robin."),
        line("20260303T120000-1a", "assistant", "Let me look that up."),
        line("20260303T120000-2a", "assistant", "So there is somebody else."),
        line("20260303T235959-3u", "user", "Robin is a secret."),
    ]
    morning = [
        line("20260304T000001-4a", "assistant", "An affair, then."),
        line("20260304T000002-5u", "user", "It rains."),
        line("20260304T000003-6a", "assistant", "Take an umbrella."),
    ]
    diary.append_to("2026-03-03", evening)
    diary.append_to("2026-03-04", morning)
    said, replied = ids(look(diary, "robin"))
    assert said == [evening[0].id, evening[3].id]
    assert replied == [evening[1].id, evening[2].id, morning[0].id]
    assert ids(look(diary, evening[2].id)) == ([said[0]], replied[:2])
    assert ids(look(diary, morning[0].id)) == ([said[1]], replied[2:])


def test_the_headings_that_a_document_says_something_under_are_said_too(diary: Diary) -> None:
    known = {"ts": NOW.isoformat(), "session": "d", "soul": "mika", "imported": "then"}
    known |= {"id": "19700101T000000-1u", "role": "document", "source": "a.md"}
    under = {"text": "It began in May.", "heading": "Tanaka's illness › Beginning"}
    diary.append_to("1970-01-01", [Statement(**known, **under)])  # type: ignore[arg-type]
    for what in ("tanaka", "beginning"):
        assert ids(look(diary, what))[0] == ["19700101T000000-1u"]
    assert ids(look(diary, "a.md")) == ([], [])


def test_what_was_replaced_is_found_and_stays_replaced_without_what_replaced_it(
    diary: Diary,
) -> None:
    say(diary, 1, "My cat is Biscuit")
    new = Record(id="2u", role="user", text="My cat is Gherkin", session="s", ts=NOW.isoformat())
    diary.append([new], ["1u", "1a"])
    assert ids(look(diary, "biscuit")) == (["1u"], ["1a"])
    diary.remove({"2u"})
    assert diary.replaced() == {"1u", "1a"}
    assert [record.id for path in diary.files() for record in diary.read(path)] == ["1u", "1a"]
