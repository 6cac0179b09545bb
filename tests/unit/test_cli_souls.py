"""The commands about souls, against a scripted daemon."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from soul_cli import naming
from soul_cli.chat import commands, piped
from soul_cli.chat.command import Misused
from soul_cli.chat.conversation import Conversation
from soul_cli.exits import Exit
from soul_cli.run import run
from soul_cli.settings import Settings
from soul_client import wire
from soul_client.client import Client
from soul_client.wire import ErrorCode, Kind, Progress
from tests.fakes.fake_daemon import FakeDaemon, answer, fake_daemon
from tests.fakes.soul_process import SOUL, Soul
from tests.fakes.terminal import in_terminal

NOON = "2026-01-02T12:00:00"  # no offset: shown as it is in any zone
MIKA = wire.SoulStatus(name="mika", level=120, generation=5, worn=True, saved=NOON)
ENTRY = wire.SoulEntry(
    name="mika", active=True, level=120, body="3f9c" * 8, body_name="smollm2", saved=NOON,
    generations=5, size_bytes=9_000_000,
)  # fmt: skip
SOULS = wire.SoulList(
    souls=[ENTRY, wire.SoulEntry(name="work", active=False, problem="grown on qwen2.5")]
)
HISTORY = wire.SoulGenerations(
    name="mika",
    generations=[
        wire.Generation(number=5, saved=NOON, level=120, why="timer", size_bytes=9_000_000,
                        current=True),
        wire.Generation(number=4, saved=NOON, level=90, why="moonlight", size_bytes=9_000_000,
                        problem="the seal is broken"),
    ],
)  # fmt: skip
FILE = wire.SoulFile(name="mika", path="/far/mika.soul", size_bytes=9_000_000)
DIFFERENCE = wire.SoulDifference(
    a="", b="mika",
    layers=[
        wire.LayerNorms(layer=0, a=[0, 0, 0], b=[3.0, 4.0, 0], change=[3.0, 4.0, 0]),
        wire.LayerNorms(layer=1, a=[0, 0, 0], b=[0, 0, 12.0], change=[0, 0, 12.0]),
    ],
    probes=[wire.Probed(ask="Who am I?", a="I do not know. " * 9, b="You are\x1b[2J Mika.")],
)  # fmt: skip


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    with fake_daemon(tmp_path) as running:
        results: dict[str, Any] = {
            "soul.list": SOULS,
            "soul.history": HISTORY,
            "soul.diff": DIFFERENCE,
            "soul.export": FILE,
            "soul.import": FILE,
            "soul.verify": wire.SoulVerified(path="/x.soul", faults=[]),
        }
        changing = ("use", "new", "save", "load", "undo", "reset")
        results |= {f"soul.{name}": MIKA for name in changing}
        for method, result in results.items():
            running.scripts[method] = answer(
                (Kind.ACK, wire.Ack()), (Kind.PROGRESS, Progress(stage="loading")),
                (Kind.DONE, result),
            )  # fmt: skip
        wears(running, MIKA)
        yield running


def wears(daemon: FakeDaemon, soul: wire.SoulStatus | None, **fields: Any) -> None:
    """Let the daemon's status have a soul."""
    status = msgspec.structs.replace(daemon.status(), soul=soul, **fields)
    daemon.scripts["daemon.status"] = answer((Kind.DONE, status))


@pytest.fixture
def soul(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run a command; return its exit code and what it printed."""

    def invoke(*args: str) -> tuple[int, str]:
        code = run(["--config", str(daemon.config), "--lang", "en", *args])
        out, err = capsys.readouterr()
        return code, out or err

    return invoke


def asked(daemon: FakeDaemon) -> tuple[str, Any]:
    """Return the last request about a soul."""
    header, raw = next(
        (header, raw) for header, raw in reversed(daemon.requests) if header.method[:5] == "soul."
    )
    return header.method, raw


SHOWN = "mika: level 120, saved 2026-01-02 12:00 as number 5\n"


@pytest.mark.parametrize(
    ("args", "method", "params"),
    [
        (("use", "work"), "soul.use", {"name": "work"}),
        (("new", "work"), "soul.new", {"name": "work"}),
        (("save",), "soul.save", {"name": ""}),
        (("load", "work"), "soul.load", {"source": "work"}),
        (("undo",), "soul.undo", {"steps": 1, "to": None}),
        (("undo", "3"), "soul.undo", {"steps": 3, "to": None}),
        (("undo", "--to", "4"), "soul.undo", {"steps": 1, "to": 4}),
    ],
)
def test_what_changes_the_soul_shows_it(
    soul: Any, daemon: FakeDaemon, args: tuple[str, ...], method: str, params: dict[str, Any]
) -> None:
    assert soul(*args) == (0, SHOWN)
    assert asked(daemon) == (method, params)
    code, out = soul(*args, "--json")
    assert (code, json.loads(out)) == (0, msgspec.to_builtins(MIKA))


def test_a_copy_is_named(soul: Any, daemon: FakeDaemon) -> None:
    assert soul("save", "twin") == (0, SHOWN + "a copy of it is called twin\n")
    assert asked(daemon) == ("soul.save", {"name": "twin"})
    assert json.loads(soul("save", "twin", "--json")[1])["name"] == "mika"


def test_what_is_not_well_is_said_below(soul: Any, daemon: FakeDaemon) -> None:
    ill = wire.SoulStatus(name="mika", level=3, pending=2, problem="the disk\x07 is full")
    daemon.scripts["soul.save"] = answer((Kind.DONE, ill))
    assert soul("save") == (
        0,
        "mika: level 3, not saved yet\n"
        "  2 still to be learned\n"
        "  problem: the disk is full\n",
    )  # fmt: skip


def test_a_soul_of_another_body_is_refused_with_the_reason(soul: Any, daemon: FakeDaemon) -> None:
    error = wire.Error(
        code=ErrorCode.SOUL_MISMATCH, message="grown on 3f9c, loaded is a71e", hint="reincarnate it"
    )
    daemon.scripts["soul.use"] = answer((Kind.ERROR, error))
    assert soul("use", "work") == (
        1,
        "soul: the soul belongs to another body: grown on 3f9c, loaded is a71e\n  reincarnate it\n",
    )


def test_souls_are_listed(soul: Any, daemon: FakeDaemon) -> None:
    assert soul("souls")[1].splitlines() == [
        "  name  level  saved             size  body",
        "* mika  120    2026-01-02 12:00  9 MB  smollm2",
        "  work  0                              problem: grown on qwen2.5",
    ]
    assert json.loads(soul("souls", "--json")[1]) == msgspec.to_builtins(SOULS)
    daemon.scripts["soul.list"] = answer((Kind.DONE, wire.SoulList(souls=[])))
    assert soul("souls")[1].startswith("no souls yet")


def test_the_history_is_listed(soul: Any, daemon: FakeDaemon) -> None:
    code, out = soul("history", "mika")
    assert (code, asked(daemon)) == (0, ("soul.history", {"name": "mika"}))
    assert out.splitlines() == [
        "  number  saved             level  size  why",
        "* 5       2026-01-02 12:00  120    9 MB  every few minutes",
        "  4       2026-01-02 12:00  90     9 MB  moonlight  problem: the seal is broken",
    ]
    empty = wire.SoulGenerations(name="mika", generations=[])
    daemon.scripts["soul.history"] = answer((Kind.DONE, empty))
    assert soul("history") == (0, "mika has not been saved yet\n")


def test_undo_takes_a_count_or_a_number(soul: Any) -> None:
    code, said = soul("undo", "2", "--to", "4")
    assert code == Exit.USAGE and "exclude each other" in said
    assert soul("undo", "0")[0] == Exit.USAGE


def test_the_norms_and_the_answers_side_by_side(soul: Any, daemon: FakeDaemon) -> None:
    code, out = soul("diff", "mika")
    assert code == 0
    assert out.splitlines() == [
        "layer  bare body  mika    change  gate   up     down",
        "0      0.000      5.000   5.000   3.000  4.000  0.000",
        "1      0.000      12.000  12.000  0.000  0.000  12.000",
        "all    0.000      13.000  13.000  3.000  4.000  12.000",
        "",
        "bare body                      mika",
        "",
        "? Who am I?",
        "I do not know. I do not know.  You are[2J Mika.",
        *["I do not know. I do not know."] * 3,
        "I do not know.",
    ]


def test_what_is_compared(soul: Any, daemon: FakeDaemon) -> None:
    compared = []
    for args in (("mika",), ("work",), ("mika@3",), ("-",), ("-", "work"), ("mika", "mika@3")):
        soul("diff", *args)
        raw = asked(daemon)[1]
        compared.append((raw["a"], raw["b"]))
        assert len(raw["probes"]) == 8
    assert compared == [
        ("", "mika"), ("work", "mika"), ("mika@3", "mika"), ("", "mika"), ("", "work"),
        ("mika", "mika@3"),
    ]  # fmt: skip
    soul("diff", "mika", "--ask", "Who am I?", "--ask", "And you?")
    assert asked(daemon)[1]["probes"] == ["Who am I?", "And you?"]


def test_reset_asks_and_without_a_terminal_needs_yes(
    soul: Any, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = soul("reset")
    assert code == Exit.USAGE and "--yes" in said
    assert all(header.method != "soul.reset" for header, _ in daemon.requests)
    assert soul("reset", "--yes") == (0, SHOWN + "'soul undo' brings back what it knew.\n")

    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    daemon.requests.clear()
    monkeypatch.setattr("sys.stdin", Keyboard("n\n"))
    code, said = soul("reset")
    assert code == Exit.INTERRUPTED
    assert "Let mika forget all it has learned (level 120)? 'soul undo' undoes it." in said
    assert all(header.method != "soul.reset" for header, _ in daemon.requests)
    monkeypatch.setattr("sys.stdin", Keyboard("y\n"))
    code, said = soul("reset", "--json")
    assert (code, json.loads(said)["name"]) == (0, "mika")


@pytest.mark.parametrize(
    ("args", "path", "name"),
    [
        ((), "mika.soul", ""),
        (("work",), "work.soul", "work"),
        (("out.soul",), "out.soul", ""),
        (("work", "other"), "other", "work"),
        (("work", "folder"), "folder/work.soul", "work"),
        (("folder/",), "folder/mika.soul", ""),
    ],
)
def test_where_a_soul_is_exported_to(
    soul: Any, daemon: FakeDaemon, tmp_path: Path, args: tuple[str, ...], path: str, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    assert soul("export", *args, "--replace") == (0, "mika  9 MB  /far/mika.soul\n")
    params = {"path": str(tmp_path / path), "name": name, "replace": True, "original": False}
    assert asked(daemon) == ("soul.export", params)


def test_too_many_words_to_export(soul: Any) -> None:
    assert soul("export", "a", "b", "c")[0] == Exit.USAGE


def test_an_import_says_how_to_use_it(soul: Any, daemon: FakeDaemon, tmp_path: Path) -> None:
    code, out = soul("import", "got.soul", "--name", "guest")
    assert (code, out) == (0, "mika  9 MB  /far/mika.soul\n'soul use mika' uses it.\n")
    params = {"path": str(tmp_path / "got.soul"), "name": "guest"}
    assert asked(daemon) == ("soul.import", params)
    assert json.loads(soul("import", "x", "--json")[1])["path"] == "/far/mika.soul"


def test_verify_says_what_a_file_is_and_fails_where_it_has_faults(
    soul: Any, daemon: FakeDaemon
) -> None:
    sound = wire.SoulVerified(
        path="/x.soul", faults=[], name="mika", level=120, body="3f9c" * 8, body_name="smollm2",
        created=NOON, saved=NOON, taught=12, fits=False,
    )  # fmt: skip
    daemon.scripts["soul.verify"] = answer((Kind.DONE, sound))
    code, out = soul("verify", "~/x.soul")
    assert code == 0
    assert asked(daemon)[1]["path"] == str(Path("~/x.soul").expanduser())
    assert out.splitlines() == [
        "/x.soul: sound",
        "soul          mika",
        "level         120",
        "learned from  12",
        "body          smollm2 (3f9c3f9c3f9c…) not the one that is loaded",
        "began         2026-01-02 12:00",
        "saved         2026-01-02 12:00",
    ]
    broken = wire.SoulVerified(path="/x.soul", faults=["torn", "lying"])
    daemon.scripts["soul.verify"] = answer((Kind.DONE, broken))
    code, out = soul("verify", "x.soul")
    assert (code, out) == (1, "/x.soul: cannot be used, faults: 2\n  torn\n  lying\n")
    code, out = soul("verify", "x.soul", "--json")
    assert (code, json.loads(out)["faults"]) == (1, ["torn", "lying"])


def test_what_is_loaded_is_a_name_or_a_path(daemon: FakeDaemon, tmp_path: Path) -> None:
    for name in ("mika", "guest"):
        (tmp_path / name).touch()
    with Client(daemon.config) as client:
        sources = ["mika", "guest", "new.soul", "./mika", "work"]
        assert [naming.source_of(client, one) for one in sources] == [
            "mika",  # a soul has this name
            str(tmp_path / "guest"),
            str(tmp_path / "new.soul"),
            str(tmp_path / "mika"),
            "work",
        ]


def test_status_shows_the_soul(soul: Any, daemon: FakeDaemon) -> None:
    def rows() -> dict[str, str]:
        lines = soul("status")[1].splitlines()
        return {line.split()[0]: " ".join(line.split()[1:]) for line in lines}

    shown = rows()
    assert shown["soul"] == "mika, level 120, in use"
    assert shown["on"] == "disk saved 2026-01-02 12:00 as number 5"
    assert not {"learning", "problem"} & shown.keys()
    busy = msgspec.structs.replace(MIKA, unsaved=True, pending=2, problem="the disk is full")
    wears(daemon, busy, state="imprinting")
    shown = rows()
    assert (shown["state"], shown["soul"]) == ("learning", "mika, level 120, learning now")
    assert shown["on"].endswith("what came since is in the journal")
    assert (shown["learning"], shown["problem"]) == ("2 still to be learned", "the disk is full")
    wears(daemon, wire.SoulStatus(name="mika"))
    assert rows()["soul"] == "mika, level 0, not on a body now"
    wears(daemon, None)
    assert "soul" not in rows()


def test_an_event_of_the_soul_is_a_line(daemon: FakeDaemon) -> None:
    from soul_cli.commands.watch import event_line
    from soul_client.exchange import SeenEvent

    def line(soul: wire.SoulStatus) -> str:
        event = wire.Event(name="soul", ts=NOON, data=msgspec.to_builtins(soul))
        return event_line(Settings(language="en"), SeenEvent(seq=1, event=event))

    assert line(wire.SoulStatus(name="mika", pending=2, problem="full")) == (
        '12:00:00  soul     name="mika" level=0 generation=0 worn=false pending=2 problem="full"'
    )
    assert "pending" not in line(MIKA) and "worn=true" in line(MIKA)


# In the chat


@pytest.fixture
def conversation(daemon: FakeDaemon) -> Iterator[Conversation]:
    settings = Settings(config=str(daemon.config), language="en")
    with Conversation(settings, session="s7") as talk:
        yield talk


@pytest.mark.parametrize(
    ("line", "method", "params", "goes_on"),
    [
        ("/use work", "soul.use", {"name": "work"}, False),
        ("/new work", "soul.new", {"name": "work"}, False),
        ("/load work", "soul.load", {"source": "work"}, False),
        ("/reset yes", "soul.reset", {}, False),
        ("/save 1", "soul.save", {"name": "1"}, True),
        ("/save", "soul.save", {"name": ""}, True),
        ("/undo", "soul.undo", {"steps": 1, "to": None}, True),
        ("/undo 2", "soul.undo", {"steps": 2, "to": None}, True),
        ("/history", "soul.history", {"name": ""}, True),
        ("/souls", "soul.list", {}, True),
    ],
)
def test_the_same_words_in_the_chat(
    conversation: Conversation, daemon: FakeDaemon, line: str, method: str, params: Any,
    goes_on: bool,
) -> None:  # fmt: skip
    command = commands.parse(line)
    assert command is not None
    shown = commands.run(conversation, *command)
    assert "120" in shown
    assert asked(daemon) == (method, params)
    assert (conversation.session == "s7") == goes_on
    assert ("a new conversation begins" in shown) != goes_on


def test_new_alone_is_a_conversation_as_before(
    conversation: Conversation, daemon: FakeDaemon
) -> None:
    assert commands.run(conversation, "new", "") == "a new conversation begins"
    assert conversation.session is None
    assert all(not header.method.startswith("soul.") for header, _ in daemon.requests)
    assert "with NAME, a new soul too" in commands.run(conversation, "help", "")


def test_files_in_the_chat(conversation: Conversation, daemon: FakeDaemon, tmp_path: Path) -> None:
    commands.run(conversation, "export", "work 'my souls/a b.soul'")
    path = str(tmp_path / "my souls" / "a b.soul")
    assert asked(daemon)[1] == {"path": path, "name": "work", "replace": False, "original": False}
    assert "/use mika" in commands.run(conversation, "import", "got.soul guest")
    assert asked(daemon)[1] == {"path": str(tmp_path / "got.soul"), "name": "guest"}
    assert commands.run(conversation, "verify", "a b.soul") == "/x.soul: sound"
    assert asked(daemon)[1] == {"path": str(tmp_path / "a b.soul")}
    assert "? Who am I?" in commands.run(conversation, "diff", "- mika")


@pytest.mark.parametrize(
    ("name", "argument", "message"),
    [
        ("use", "", "it is /use NAME"),
        ("load", "", "it is /load NAME|FILE"),
        ("undo", "0", "/undo takes"),
        ("undo", "²", "/undo takes"),
        ("undo", "back", "/undo takes"),
        ("diff", "", r"it is /diff A \[B\]"),
        ("diff", "a 'b", r"it is /diff A \[B\]"),
        ("export", "a b c", "it is /export"),
        ("import", "", "it is /import"),
        ("verify", "", "it is /verify"),
        ("reset", "", r"level 120.*/undo would bring it back\. /reset yes does it"),
    ],
)
def test_a_wrong_word_changes_nothing(
    conversation: Conversation, daemon: FakeDaemon, name: str, argument: str, message: str
) -> None:
    with pytest.raises(Misused, match=message):
        commands.run(conversation, name, argument)
    assert all(not header.method.startswith("soul.") for header, _ in daemon.requests)


def test_a_problem_of_the_soul_is_said_once_and_not_among_the_replies(
    conversation: Conversation, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conversation.client.is_connected
    wears(daemon, msgspec.structs.replace(MIKA, worn=False, problem="grown on qwen2.5"))

    def lines() -> Iterator[str]:
        yield "one\n"
        yield "two\n"
        wears(daemon, msgspec.structs.replace(MIKA, problem="the disk is full"))
        yield "three\n"
        wears(daemon, MIKA)
        yield "four\n"

    piped.run(conversation, lines())
    assert capsys.readouterr() == (
        "one\ntwo\nthree\nfour\n",
        "(the soul mika: grown on qwen2.5)\n(the soul mika: the disk is full)\n",
    )


def test_a_problem_of_the_soul_is_said_when_the_chat_begins(daemon: FakeDaemon) -> None:
    daemon.scripts["body.list"] = answer((Kind.DONE, wire.BodyList(bodies=[])))
    daemon.scripts["body.catalog"] = answer((Kind.DONE, wire.Catalog(bodies=[])))
    wears(daemon, msgspec.structs.replace(MIKA, worn=False, problem="grown on qwen2.5"))
    soul = Soul(daemon.config)
    with in_terminal([*SOUL, "chat"], soul.env) as chat:
        chat.wait_for("(the soul mika: grown on qwen2.5)")
        chat.wait_for(">")
        chat.type("hello\r")
        chat.wait_for("hello\n")
        chat.wait_for(">")
        chat.type("/undo\r")
        chat.wait_for("mika: level 120")
        chat.wait_for(">")
        chat.type("\x04")
        assert chat.wait() == 0
        assert chat.screen.count("grown on") == 1


def test_a_daemon_without_a_soul_is_told_of(conversation: Conversation, daemon: FakeDaemon) -> None:
    assert conversation.client.is_connected
    wears(daemon, None)
    assert conversation.news_of_soul() == ""
    from soul_client.errors import DaemonError

    with pytest.raises(DaemonError, match="this daemon has no soul"):
        commands.run(conversation, "reset", "")
