"""``soul forget`` and ``/forget``, against a scripted daemon."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from soul_cli import typed
from soul_cli.chat import commands
from soul_cli.chat.command import Misused
from soul_cli.chat.conversation import Conversation
from soul_cli.exits import Exit
from soul_cli.run import run
from soul_cli.settings import Settings
from soul_client import wire
from soul_client.wire import Kind
from tests.fakes.fake_daemon import FakeDaemon, answer, fake_daemon

NOON = "2026-01-02T12:00:00"  # no offset: shown as it is in any zone
FOUND = wire.Forgotten(
    soul="mika",
    records=[wire.DiaryRecord(id="1u", ts=NOON, text="My cat\nis Biscuit.")],
    replies=2,
    generations=3,
    relearned=4,
    lost=5,
    others=["copy", "work"],
    reborn=["mika-big"],
)
DONE = wire.Forgotten(
    soul="mika",
    records=FOUND.records,
    replies=2,
    before=wire.RecallMarks(recalled=1, facts=1, log_p=-0.31),
    after=wire.RecallMarks(recalled=0, facts=1, log_p=-4.12),
    never=wire.RecallMarks(recalled=0, facts=1, log_p=-4.2),
)
HISTORY = (
    "\n# 2026-01-02 12:00:00\n+I live in Bath.\n"
    "\n# 2026-01-02 12:01:00\n+My cat\n+is BISCUIT.\n"
    "\n# 2026-01-02 12:02:00\n+/forget biscuit\n"
)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with fake_daemon(tmp_path) as running:
        running.scripts["soul.forget"] = lambda daemon, header, raw: iter(
            [(Kind.ACK, wire.Ack()), (Kind.DONE, FOUND if raw["dry_run"] else DONE)]
        )
        yield running


@pytest.fixture
def soul(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run ``soul forget``; return its exit code and what it printed."""

    def invoke(*args: str) -> tuple[int, str]:
        code = run(["--config", str(daemon.config), "--lang", "en", "forget", *args])
        out, err = capsys.readouterr()
        return code, out or err

    return invoke


@pytest.fixture
def history(daemon: FakeDaemon) -> Path:
    path = typed.history_path(daemon.config)
    path.parent.mkdir(exist_ok=True)
    path.write_text(HISTORY, "utf-8")
    return path


def asked(daemon: FakeDaemon) -> list[dict[str, object]]:
    return [raw for header, raw in daemon.requests if header.method == "soul.forget"]


ASKED = {"what": "biscuit", "dry_run": False, "wait": False, "document": False}
PLANNED = [
    "mika would forget (messages: 1, replies: 2):",
    "  2026-01-02 12:00  My cat is Biscuit.  (1u)",
    "saved states that hold it and go too: 3",
    "learned after it, to be learned again: 4",
    "learned after it and not in this diary, so forgotten too: 5",
    "what it is being reborn as goes back too: mika-big",
    "these souls were taught it too, and keep it: copy, work",
]
FORGOTTEN = [
    "forgotten by mika (messages: 1, replies: 2)",
    "               before  now     never told",
    "asked, says it  1 of 1  0 of 1  0 of 1",
    "ln p a token    -0.3    -4.1    -4.2",
]


def test_a_dry_run_shows_what_would_go(
    soul: Callable[..., tuple[int, str]], daemon: FakeDaemon, history: Path
) -> None:
    code, out = soul("biscuit", "--dry-run")
    assert (code, out.splitlines()) == (0, PLANNED)
    assert asked(daemon) == [{**ASKED, "dry_run": True}]
    assert history.read_text("utf-8") == HISTORY


def test_forgetting_shows_what_was_known_and_clears_what_was_typed(
    soul: Callable[..., tuple[int, str]], daemon: FakeDaemon, history: Path
) -> None:
    code, out = soul(" biscuit ", "--yes", "--wait")
    assert code == 0 and [line.split() for line in out.splitlines()] == [
        line.split() for line in FORGOTTEN
    ]
    assert asked(daemon) == [{**ASKED, "dry_run": True}, {**ASKED, "wait": True}]
    assert history.read_text("utf-8") == HISTORY.split("\n\n#")[0] + "\n"
    assert history.stat().st_mode & 0o077 == 0
    assert json.loads(soul("biscuit", "--yes", "--json")[1]) == msgspec.to_builtins(DONE)


@pytest.mark.parametrize(
    "code, is_cleared",
    [(wire.ErrorCode.STORAGE, True), (wire.ErrorCode.NO_MEMORY, False)],
    ids=["begun", "refused"],
)
def test_what_was_typed_is_cleared_unless_nothing_is_forgotten(
    soul: Callable[..., tuple[int, str]],
    daemon: FakeDaemon,
    history: Path,
    code: wire.ErrorCode,
    is_cleared: bool,
) -> None:
    edited = HISTORY + "\n# 2026-01-02 12:03:00\n+/edit My cat is Biscuit.\n"
    history.write_text(edited, "utf-8")
    answers = iter([(Kind.DONE, FOUND), (Kind.ERROR, wire.Error(code=code, message="no"))])
    daemon.scripts["soul.forget"] = lambda daemon, header, raw: iter([next(answers)])
    assert soul("1u", "--yes")[0] != 0
    kept = history.read_text("utf-8")
    assert kept == edited if not is_cleared else "cat" not in kept and "Bath" in kept


def test_what_is_not_found_is_left_where_it_was_typed(
    soul: Callable[..., tuple[int, str]], daemon: FakeDaemon, history: Path
) -> None:
    gone = wire.Error(code=wire.ErrorCode.NOT_FOUND, message="nothing has that in it")
    daemon.scripts["soul.forget"] = answer((Kind.ERROR, gone))
    assert soul("biscuit", "--yes")[0] != 0
    assert history.read_text("utf-8") == HISTORY


def test_who_does_not_wait_has_it_cleared(history: Path) -> None:
    with pytest.raises(KeyboardInterrupt), typed.cleared(history, "biscuit", FOUND.records):
        raise KeyboardInterrupt
    assert "biscuit" not in history.read_text("utf-8").lower()


def test_a_soul_that_was_not_worn_is_said(
    soul: Callable[..., tuple[int, str]], daemon: FakeDaemon
) -> None:
    done = wire.Forgotten(soul="mika", records=FOUND.records, asked=False)
    daemon.scripts["soul.forget"] = answer((Kind.DONE, done))
    assert "the soul could not be asked" in soul("biscuit", "--yes")[1]


def test_it_asks_and_without_a_terminal_needs_yes(
    soul: Callable[..., tuple[int, str]], daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = soul("biscuit")
    assert code == Exit.USAGE and "--yes" in said
    assert soul("  ", "--yes")[0] == Exit.USAGE and asked(daemon) == []

    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Keyboard("n\n"))
    code, said = soul("biscuit")
    assert code == Exit.INTERRUPTED and PLANNED[1] in said and "cannot be undone" in said
    assert [one["dry_run"] for one in asked(daemon)] == [True]
    monkeypatch.setattr("sys.stdin", Keyboard("y\n"))
    assert soul("biscuit")[1].startswith(FORGOTTEN[0])


def test_what_could_not_be_measured_is_said(
    soul: Callable[..., tuple[int, str]], daemon: FakeDaemon
) -> None:
    for changes, line in (
        ({"after": None}, "how well it is forgotten is not known"),
        ({"before": None, "never": None}, "there was no fact in it"),
    ):
        done = msgspec.structs.replace(DONE, **changes)
        daemon.scripts["soul.forget"] = answer((Kind.DONE, done))
        assert soul("biscuit", "--yes")[1].splitlines()[1].startswith(line)


def test_in_the_chat_it_is_said_twice(daemon: FakeDaemon, history: Path) -> None:
    settings = Settings(config=str(daemon.config), language="en")
    with Conversation(settings, session="s7") as talk:
        with pytest.raises(Misused, match=r"/forget TEXT\|ID"):
            commands.run(talk, "forget", "")
        shown = commands.run(talk, "forget", "biscuit").splitlines()
        assert shown[:-1] == PLANNED and "/forget yes" in shown[-1]
        assert talk.session == "s7"
        shown = commands.run(talk, "forget", "yes").splitlines()
        assert (shown[0], shown[-1]) == (FORGOTTEN[0], "a new conversation begins")
        assert talk.session is None and "BISCUIT" not in history.read_text("utf-8")
        assert [one["dry_run"] for one in asked(daemon)] == [True, False]
        commands.run(talk, "forget", "yes")  # agreed to nothing: it is a text
        assert asked(daemon)[-1] == {**ASKED, "what": "yes", "dry_run": True}
