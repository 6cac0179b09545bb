"""The commands of the chat, against a scripted daemon."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from soul_cli.chat import commands, piped
from soul_cli.chat.command import Leave, Misused
from soul_cli.chat.conversation import Conversation
from soul_cli.exits import Exit
from soul_cli.settings import Settings
from soul_client import wire
from soul_client.wire import ErrorCode, Kind
from tests.fakes.fake_daemon import FakeDaemon, answer, fake_daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with fake_daemon(tmp_path) as running:
        yield running


@pytest.fixture
def conversation(daemon: FakeDaemon) -> Iterator[Conversation]:
    settings = Settings(config=str(daemon.config), language="en")
    with Conversation(settings) as talk:
        yield talk


@pytest.mark.parametrize(
    ("line", "parsed", "message"),
    [
        ("/temp 0.5", ("temp", "0.5"), None),
        ("/QUIT", ("quit", ""), None),
        ("/", ("", ""), None),
        ("hello /temp", None, "hello /temp"),
        ("//usr/bin is a folder", None, "/usr/bin is a folder"),
        (" /not a command", None, " /not a command"),
        ("/* pasted\n * code */", None, "/* pasted\n * code */"),
        ("// pasted\ncode", None, "// pasted\ncode"),
    ],
)
def test_what_is_a_command(line: str, parsed: tuple[str, str] | None, message: str | None) -> None:
    assert commands.parse(line) == parsed
    if message is not None:
        assert commands.message_of(line) == message


@pytest.mark.parametrize(
    ("name", "near"), [("tmep", "/temp"), ("stauts", "/status"), ("exit", None), ("dance", None)]
)
def test_an_unknown_command_says_so(
    conversation: Conversation, name: str, near: str | None
) -> None:
    with pytest.raises(Misused, match=f"unknown command /{name}") as caught:
        commands.run(conversation, name, "")
    assert (f"mean {near}?" in str(caught.value)) == (near is not None)


def test_help_names_every_command(conversation: Conversation) -> None:
    shown = commands.run(conversation, "help", "")
    assert all(f"/{name}" in shown for name in commands.COMMANDS)


def test_sampling_is_changed_for_what_follows(
    conversation: Conversation, daemon: FakeDaemon
) -> None:
    assert commands.run(conversation, "temp", "0.25") == "temperature 0.25"
    assert commands.run(conversation, "len", "7") == "at most 7 tokens per reply"
    conversation.say("hi", lambda piece: None)
    sampling = daemon.requests[-1][1]["sampling"]
    assert (sampling["temperature"], sampling["max_tokens"], sampling["top_k"]) == (0.25, 7, None)


@pytest.mark.parametrize(
    ("name", "argument"),
    [("temp", ""), ("temp", "hot"), ("temp", "-1"), ("temp", "nan"), ("len", "0"), ("len", "²"),
     ("len", "1.5"), ("session", "a b"), ("lang", "fr")],
)  # fmt: skip
def test_a_wrong_argument_changes_nothing(
    conversation: Conversation, name: str, argument: str
) -> None:
    before = conversation.sampling
    with pytest.raises(Misused):
        commands.run(conversation, name, argument)
    assert conversation.sampling is before


def test_sessions_begin_and_go_on(conversation: Conversation) -> None:
    conversation.say("hi", lambda piece: None)
    assert commands.run(conversation, "session", "") == "s1"
    commands.run(conversation, "new", "")
    assert conversation.session is None
    commands.run(conversation, "session", "other")
    assert conversation.session == "other"


def test_the_last_message_is_answered_anew_or_said_otherwise(
    conversation: Conversation, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    held = [
        wire.ChatMessage(role=role, text=text, id=id_)
        for role, text, id_ in (("user", "one", "1u"), ("assistant", "1", "1a"),
                                ("user", "/two", "2u"), ("assistant", "2", "2a"))
    ]  # fmt: skip
    daemon.scripts["session.get"] = answer(
        (Kind.DONE, wire.SessionHistory(session="s1", messages=held))
    )
    piped.run(conversation, io.StringIO("hi\n/again\n/edit zwei\n"))
    assert capsys.readouterr().out == "hi\n/two\nzwei\n"
    sent = [raw for header, raw in daemon.requests if header.method == "chat.send"]
    assert [(raw["session"], raw["text"], raw["replaces"]) for raw in sent[1:]] == [
        ("s1", "/two", "2u"),
        ("s1", "zwei", "2u"),
    ]


def test_nothing_is_taken_back_where_nothing_was_said(conversation: Conversation) -> None:
    for name, argument in (("again", ""), ("edit", "x")):
        with pytest.raises(Misused, match="nothing was said"):
            commands.run(conversation, name, argument)
    with pytest.raises(Misused, match="/edit TEXT"):
        commands.run(conversation, "edit", "")
    conversation.is_off_record = True
    with pytest.raises(Misused, match="off the record"):
        commands.run(conversation, "again", "")


def test_off_the_record_and_back(conversation: Conversation, daemon: FakeDaemon) -> None:
    assert "off the record" in commands.run(conversation, "off", "")
    conversation.say("hi", lambda piece: None)
    assert daemon.requests[-1][1]["off_record"] is True
    commands.run(conversation, "on", "")
    conversation.say("hi", lambda piece: None)
    assert daemon.requests[-1][1]["off_record"] is False


def test_on_does_nothing_where_the_config_has_memory_off(
    conversation: Conversation, daemon: FakeDaemon
) -> None:
    off = msgspec.structs.replace(daemon.status(), memory=False)
    daemon.scripts["daemon.status"] = answer((Kind.DONE, off))
    conversation.is_off_record = True
    with pytest.raises(Misused, match="memory is off in the config"):
        commands.run(conversation, "on", "")
    assert conversation.is_off_record


def test_the_language_changes_at_once(conversation: Conversation) -> None:
    assert commands.run(conversation, "lang", "ja") == "日本語"
    assert "この一覧" in commands.run(conversation, "help", "")
    with pytest.raises(Misused, match="というコマンドはありません"):
        commands.run(conversation, "foo", "")


def test_status_and_stop_ask_the_daemon(conversation: Conversation, daemon: FakeDaemon) -> None:
    assert "smollm2" in commands.run(conversation, "status", "")
    assert commands.run(conversation, "stop", "r1") == "stopped: r1"
    assert daemon.cancelled == {"r1"}


def test_quit_leaves(conversation: Conversation) -> None:
    with pytest.raises(Leave):
        commands.run(conversation, "quit", "")


def test_each_piped_line_is_a_message(
    conversation: Conversation, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = io.StringIO("one\n\n  two\r\n/temp 0\n//three\n/quit\nfour\n")
    assert piped.run(conversation, lines) == Exit.OK
    assert capsys.readouterr() == ("one\n  two\n/three\n", "temperature 0\n")
    assert conversation.session == "s1"


def test_a_piped_line_that_fails_sets_the_exit_code_and_the_next_is_answered(
    conversation: Conversation, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = wire.Error(code=ErrorCode.BUSY, message="queue full", hint="try later")
    echo = daemon.scripts.pop("chat.send")
    daemon.scripts["chat.send"] = answer((Kind.ERROR, busy))

    def lines() -> Iterator[str]:
        yield "one\n"
        daemon.scripts["chat.send"] = echo
        yield "two\n"

    assert piped.run(conversation, lines()) == Exit.FAILED
    assert capsys.readouterr() == ("two\n", "soul: busy: queue full\n  try later\n")


def test_piped_json_is_one_turn_a_line(
    conversation: Conversation, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation.settings.is_json = True
    piped.run(conversation, io.StringIO("日本\n"))
    assert '"text": "日本"' in capsys.readouterr().out


def test_a_body_that_is_missing_and_known_is_fetched(
    conversation: Conversation, daemon: FakeDaemon
) -> None:
    entry = wire.CatalogEntry(
        name="smollm2", source="s", licence="l", parameters=1, download_bytes=1,
        memory_bytes=1, languages=["en"],
    )  # fmt: skip
    daemon.scripts["body.list"] = answer((Kind.DONE, wire.BodyList(bodies=[])))
    daemon.scripts["body.catalog"] = answer((Kind.DONE, wire.Catalog(bodies=[entry])))
    missing = wire.Error(code=ErrorCode.BODY_MISSING, message="no body")
    daemon.scripts["body.info"] = answer((Kind.ERROR, missing))
    pulled = wire.BodyPulled(name="smollm2", path="p", size_bytes=1)
    daemon.scripts["body.pull"] = answer((Kind.DONE, pulled))
    conversation.prepare_body()
    assert daemon.requests[-1][0].method == "body.pull"
    assert daemon.requests[-1][1]["source"] == "smollm2"


def test_a_body_that_is_missing_and_unknown_is_left_to_the_first_message(
    conversation: Conversation, daemon: FakeDaemon
) -> None:
    daemon.scripts["body.list"] = answer((Kind.DONE, wire.BodyList(bodies=[])))
    daemon.scripts["body.catalog"] = answer((Kind.DONE, wire.Catalog(bodies=[])))
    conversation.prepare_body()
    assert all(header.method != "body.pull" for header, _ in daemon.requests)


def test_the_last_conversation_goes_on(conversation: Conversation, daemon: FakeDaemon) -> None:
    last = wire.SessionInfo(session="s9", turns=2, last_ts="t", title="x")
    daemon.scripts["session.list"] = answer((Kind.DONE, wire.SessionList(sessions=[last])))
    conversation.continue_last()
    assert conversation.session == "s9"
