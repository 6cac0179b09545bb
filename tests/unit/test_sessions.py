"""Sessions: what comes back from the diary, and what stays in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_client.wire import ChatMessage
from sould.errors import NotFound
from sould.supervisor.diary import Diary, Record
from sould.supervisor.sessions import (
    MAX_IN_MEMORY,
    Session,
    Sessions,
    new_session_id,
    newest_turns,
    pair_turns,
    title_of,
)

BORN = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Book:
    """A diary with a clock the test sets."""

    def __init__(self, folder: Path) -> None:
        self.now = BORN
        self.diary = Diary(folder, lambda: self.now)
        self.diary.open()
        self.count = 0

    def write(self, session: str, user: str, reply: str, replaced: tuple[str, ...] = ()) -> None:
        self.now += timedelta(seconds=1)
        self.count += 1
        ts = self.now.isoformat()
        self.diary.append(
            [
                Record(id=f"{self.count}u", ts=ts, role="user", text=user, session=session),
                Record(id=f"{self.count}a", ts=ts, role="assistant", text=reply, session=session),
            ],
            replaced,
        )


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "memories")


def said(messages: list[ChatMessage]) -> list[str]:
    return [message.text for message in messages]


async def test_conversation_comes_back_over_midnight(book: Book) -> None:
    book.write("s", "one", "1")
    book.write("other", "x", "y")
    book.now += timedelta(days=2)
    book.write("s", "two", "2")
    session = await Sessions(book.diary).get("s", 1000)
    assert said(session.messages) == ["one", "1", "two", "2"]
    assert session.keep_from == 0


async def test_only_the_newest_turns_that_fit_come_back(book: Book) -> None:
    for n in range(20):
        book.now += timedelta(days=1)
        book.write("s", f"question {n}", f"answer {n}")
    session = await Sessions(book.diary).get("s", 60)
    expected = [f"{word} {n}" for n in (17, 18, 19) for word in ("question", "answer")]
    assert said(session.messages) == expected


async def test_what_left_the_context_is_dropped(book: Book) -> None:
    sessions = Sessions(book.diary)
    await sessions.get("s", 1000)
    for n in range(3):
        sessions.add_turn("s", f"q{n}", f"r{n}", keep_from=0)
    sessions.add_turn("s", "q3", "r3", keep_from=4)
    session = await sessions.get("s", 1000)
    assert said(session.messages) == ["q2", "r2", "q3", "r3"]
    assert session.keep_from == 0


async def test_memory_holds_the_sessions_used_last(book: Book) -> None:
    sessions = Sessions(book.diary)
    for n in range(MAX_IN_MEMORY + 10):
        await sessions.get(f"s{n}", 1000)
        sessions.add_turn(f"s{n}", "unrecorded", "r", 0)
    assert said((await sessions.get("s0", 1000)).messages) == []
    assert said((await sessions.get(f"s{MAX_IN_MEMORY + 9}", 1000)).messages) == ["unrecorded", "r"]
    for n in range(MAX_IN_MEMORY):
        sessions.put(f"t{n}", Session(messages=[]))
    assert sessions.held(f"s{MAX_IN_MEMORY + 9}") is None and sessions.held("t0") is not None


async def test_forgotten_sessions_are_read_again(book: Book) -> None:
    sessions = Sessions(book.diary)
    book.write("s", "one", "1")
    await sessions.get("s", 1000)
    sessions.add_turn("s", "two", "2", keep_from=2)
    sessions.forget()
    assert said((await sessions.get("s", 1000)).messages) == ["one", "1"]


async def test_what_was_replaced_on_another_day_is_in_no_conversation(book: Book) -> None:
    sessions = Sessions(book.diary)
    book.write("s", "wrong", "1")
    book.write("s", "later", "2")
    assert sessions.infos()[0].title == "wrong"
    book.now += timedelta(days=2)
    book.write("s", "right", "3", ("1u", "1a", "2u", "2a"))
    assert said(sessions.history("s")) == ["right", "3"]
    assert said((await sessions.get("s", 1000)).messages) == ["right", "3"]
    [info] = sessions.infos()
    assert (info.title, info.turns) == ("right", 1)


def test_a_turn_that_is_cut_short_replaces_nothing(book: Book) -> None:
    book.write("s", "one", "1")
    book.write("s", "two", "2", ("1u", "1a"))
    (path,) = book.diary.files()
    whole = path.read_bytes()
    mark = whole.rstrip().rfind(b"\n") + 1
    for cut, texts in (
        (mark, ["one", "1", "two", "2"]),
        (mark + 9, ["one", "1", "two", "2"]),
        (len(whole) - 2, ["one", "1", "two", "2"]),
        (len(whole) - 1, ["two", "2"]),  # nothing but the newline is missing
    ):
        path.write_bytes(whole[:cut])
        diary = Diary(path.parent, lambda: book.now)
        diary.open()
        assert said(Sessions(diary).history("s")) == texts


async def test_a_reply_made_anew_on_another_day_is_paired_with_what_was_said(book: Book) -> None:
    book.write("s", "one", "1")
    book.now += timedelta(days=1)
    anew = Record(id="2a", ts="", role="assistant", text="2", session="s", reply_to="1u")
    book.diary.append([anew], ["1a"])
    session = await Sessions(book.diary).get("s", 1000)
    assert said(session.messages) == ["one", "2"]
    torn = Record(id="3a", ts="", role="assistant", text="3", session="s", reply_to="1u")
    book.diary.append([torn])  # a crash came before the line that says what it replaces
    assert said((await Sessions(book.diary).get("s", 1000)).messages) == ["one", "2"]


def test_before_a_message_is_what_came_earlier(book: Book) -> None:
    sessions = Sessions(book.diary)
    for n in range(3):
        book.write("s", f"q{n}", f"r{n}")
    found = sessions.before("s", "2u", 1000)
    assert said(found.session.messages) == ["q0", "r0"]
    assert (found.said.text, found.replaced) == ("q1", ["2u", "2a", "3u", "3a"])
    for wrong in ("2a", "nonsense"):
        with pytest.raises(NotFound, match=wrong):
            sessions.before("s", wrong, 1000)


def test_list_is_newest_first_with_titles(book: Book) -> None:
    book.write("a", "  What is\n a cat?  ", "A small tiger.")
    book.write("b", "word " * 40, "b")
    book.now += timedelta(days=1)
    book.write("a", "And a dog?", "No tiger.")
    first, second = Sessions(book.diary).infos()
    assert (first.session, first.turns, first.title) == ("a", 2, "What is a cat?")
    assert first.last_ts == book.now.isoformat()
    assert (second.session, second.turns) == ("b", 1)
    assert second.title.endswith("word…") and len(second.title) <= 61


def test_list_notices_new_turns_and_deleted_days(book: Book) -> None:
    sessions = Sessions(book.diary)
    book.write("a", "one", "1")
    assert sessions.infos()[0].turns == 1
    book.write("a", "two", "2")
    assert sessions.infos()[0].turns == 2
    book.diary.files()[0].unlink()
    assert sessions.infos() == []


def test_history_is_everything_of_one_session(book: Book) -> None:
    for n in range(3):
        book.now += timedelta(days=1)
        book.write("a", f"q{n}", f"r{n}")
        book.write("b", "x", "y")
    assert said(Sessions(book.diary).history("a")) == ["q0", "r0", "q1", "r1", "q2", "r2"]
    assert Sessions(book.diary).history("nobody") == []


def test_dated_session_reads_no_older_files(book: Book) -> None:
    id_ = new_session_id(BORN + timedelta(days=3), "salt")
    book.write(id_, "before its birth", "r")
    book.now += timedelta(days=3)
    book.write(id_, "q", "r")
    assert said(Sessions(book.diary).history(id_)) == ["q", "r"]


def test_session_ids_say_when_and_differ() -> None:
    assert new_session_id(BORN, "salt").startswith("20261120-120000-")
    assert new_session_id(BORN, "salt") == new_session_id(BORN, "salt")
    assert new_session_id(BORN, "salt") != new_session_id(BORN, "pepper")


def test_unanswered_messages_are_left_out_of_the_context() -> None:
    def record(role: str, text: str) -> Record:
        assert role in ("user", "assistant")
        return Record(id="", ts="", role=role, text=text, session="s")  # type: ignore[arg-type]

    records = [record("assistant", "r0"), record("user", "torn"), record("user", "q1")]
    records += [record("assistant", "r1"), record("assistant", "again"), record("user", "q2")]
    assert said(pair_turns(records)) == ["q1", "r1"]


@given(
    st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=9), st.integers(0, 60)
)
def test_newest_turns_are_whole_a_suffix_and_as_many_as_fit(
    turns: list[tuple[str, str]], max_chars: int
) -> None:
    messages = [
        ChatMessage(role="user" if n % 2 == 0 else "assistant", text=text)
        for n, text in enumerate(text for turn in turns for text in turn)
    ]
    kept = newest_turns(messages, max_chars)
    assert kept == messages[len(messages) - len(kept) :]
    assert len(kept) % 2 == 0
    size = sum(len(m.text) for m in kept)
    assert size <= max_chars or len(kept) == 2
    if len(kept) < len(messages):
        older = messages[len(messages) - len(kept) - 2 :]
        assert sum(len(m.text) for m in older) > max_chars


@given(st.text())
def test_title_is_one_short_line(text: str) -> None:
    title = title_of(text)
    assert len(title) <= 61
    assert "\n" not in title
    assert bool(title) == bool(text[:240].strip())
