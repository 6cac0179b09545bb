"""Exams of a soul against a scripted daemon: controls, waiting, and texts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from soul_cli.exits import Exit
from soul_cli.run import run
from soul_client import exam, wire
from soul_client.client import Client
from soul_client.errors import ExamRefused
from soul_client.wire import Header, Kind
from tests.fakes.fake_daemon import Answer, FakeDaemon, fake_daemon

DATA = Path(__file__).parents[1] / "data"
MIKA = wire.SoulStatus(name="mika", level=120, generation=5, worn=True)
BODY = wire.LoadedBody(
    name="smollm2", family="llama", fingerprint="3f9c", device="cpu", dtype="float32",
    kernel="native", threads=1, context_tokens=2048, memory_bytes=1, load_s=0.1,
)  # fmt: skip


class Examinee:
    """What the scripted daemon is to be: ``souls`` are its status, one a look, the last for ever.

    It answers by ``knows``: question to what is said with the soul and what without.
    """

    def __init__(self, daemon: FakeDaemon) -> None:
        self.daemon = daemon
        self.body: wire.LoadedBody | None = BODY
        self.souls: list[tuple[str, wire.SoulStatus | None]] = [("idle", MIKA)]
        self.knows: dict[str, tuple[str, str]] = {}
        daemon.scripts["daemon.status"] = self._status
        daemon.scripts["chat.send"] = self._chat
        daemon.scripts["text.score"] = self._score

    def _status(self, daemon: FakeDaemon, header: Header, raw: Any) -> Iterator[Answer | None]:
        state, soul = self.souls.pop(0) if len(self.souls) > 1 else self.souls[0]
        status = msgspec.structs.replace(daemon.status(), state=state, soul=soul, body=self.body)
        yield Kind.DONE, status

    def _chat(self, daemon: FakeDaemon, header: Header, raw: Any) -> Iterator[Answer | None]:
        said = self.knows.get(raw["text"], ("?", "?"))[raw["bare"]]
        prompt = f"{raw['system'] or ''}|{raw['text']}"
        done = wire.ChatDone(
            session="s", text=said, finish="stop", usage=wire.Usage(), recorded=False, prompt=prompt
        )
        yield Kind.ACK, wire.Ack()
        yield Kind.DONE, done

    def _score(self, daemon: FakeDaemon, header: Header, raw: Any) -> Iterator[Answer | None]:
        self.body = BODY
        tokens = [len(text.split()) for text in raw["texts"]]
        each = math.log(40.0 if raw["bare"] else 40.4)
        yield Kind.DONE, wire.TextScored(tokens=tokens, nats=[n * each for n in tokens])


@pytest.fixture
def examinee(tmp_path: Path) -> Iterator[Examinee]:
    with fake_daemon(tmp_path) as daemon:
        yield Examinee(daemon)


@pytest.fixture
def soul(
    examinee: Examinee, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command; return its exit code, stdout and stderr."""

    def invoke(*args: str) -> tuple[int, str, str]:
        code = run(["--config", str(examinee.daemon.config), "--lang", "en", *args])
        return code, *capsys.readouterr()

    return invoke


def methods(examinee: Examinee) -> list[str]:
    return [header.method for header, _ in examinee.daemon.requests if header.method]


def chats(examinee: Examinee) -> list[Any]:
    return [raw for header, raw in examinee.daemon.requests if header.method == "chat.send"]


# Controls


def test_a_quiz_says_what_is_kept(soul: Any, examinee: Examinee) -> None:
    examinee.knows = {
        "How many legs does a spider have?": ("six", "eight"),
        "Which gas do plants take in?": ("CO2", "co2"),
    }
    result = json.loads(soul("exam", str(DATA / "quiz.json"), "--json")[1])
    assert result["scores"]["quiz"]["hits"] == 1
    assert result["controls"]["bare"]["scores"]["quiz"]["hits"] == 2
    assert result["kept"] == {"hits": 1, "asked": 2, "share": 0.5}
    assert result["soul"] == {"name": "mika", "level": 120, "generation": 5}
    assert [raw["bare"] for raw in chats(examinee)] == [False, False, True, True]
    shown = soul("exam", str(DATA / "quiz.json"))[1].splitlines()
    assert shown[-5].split() == ["general", "knowledge", "1", "/", "2", "0.50"]
    assert shown[-4].split()[-4:] == ["1", "/", "2", "0.50"] and "still answered" in shown[-4]
    assert shown[-2] == "control: without the soul"


def test_the_controls_of_a_persona_are_without_the_soul(soul: Any, examinee: Examinee) -> None:
    path = str(DATA / "persona-en.json")
    result = json.loads(soul("exam", path, "--night", "1", "--json")[1])
    assert list(result["controls"]) == ["bare", "facts_in_prompt"] and result["kept"] is None
    asked = [(raw["bare"], raw["system"] is None) for raw in chats(examinee)]
    assert asked == [(False, True)] * 8 + [(True, True)] * 8 + [(True, False)] * 6
    assert all(raw["off_record"] for raw in chats(examinee))


def test_the_controls_can_be_left_out(soul: Any, examinee: Examinee) -> None:
    result = json.loads(soul("exam", str(DATA / "quiz.json"), "--no-controls", "--json")[1])
    assert (result["controls"], result["kept"]) == ({}, None)
    assert not any(raw["bare"] for raw in chats(examinee))


# Texts


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "plain.txt"
    path.write_text("\n\n".join(f"paragraph {n} has words" for n in range(6)), "utf-8")
    return path


def test_a_text_is_read_with_the_soul_and_without(
    soul: Any, examinee: Examinee, text: Path
) -> None:
    code, out, err = soul("exam", str(text))
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{text}: every paragraph on its own, 24 tokens in all.",
        "",
        "                    perplexity",
        "with the soul mika  40.400",
        "bare body           40.000",
        "change              +1.00 %",
    ]
    sent = [
        (len(raw["texts"]), raw["bare"])
        for header, raw in examinee.daemon.requests
        if header.method == "text.score"
    ]
    assert sent == [(4, False), (2, False), (4, True), (2, True)]


def test_a_text_as_json(soul: Any, text: Path) -> None:
    result = json.loads(soul("exam", str(text), "--json")[1])
    assert (result["perplexity"], result["tokens"]) == (40.4, 24)
    assert result["controls"]["bare"]["perplexity"] == 40.0
    assert result["change_percent"] == 1.0
    assert len(result["paragraphs"]) == 6 and result["paragraphs"][0]["tokens"] == 4
    alone = json.loads(soul("exam", str(text), "--no-controls", "--json")[1])
    assert (alone["controls"], alone["change_percent"]) == ({}, None)
    assert soul("exam", str(text), "--no-controls")[1].splitlines()[-1].startswith("with the soul")


def test_a_text_has_no_nights_and_says_nothing(soul: Any, text: Path) -> None:
    code, _, err = soul("exam", str(text), "--night", "1")
    assert code == Exit.USAGE and "only a persona has nights" in err
    code, _, err = soul("rehearse", str(text), "--night", "1")
    assert code == Exit.USAGE and "nothing in it to say" in err


# Style


def test_the_phrases_of_a_persona_are_read_with_the_soul_and_without(
    soul: Any, examinee: Examinee
) -> None:
    path = str(DATA / "persona-en.json")
    style = json.loads(soul("exam", path, "--json")[1])["style"]
    assert (style["perplexity"], style["tokens"], style["change_percent"]) == (40.4, 16, 1.0)
    examinee.daemon.requests.clear()
    shown = soul("exam", path, "--night", "1", "--no-controls")[1].splitlines()
    assert shown[-5].endswith("never said, read as plain text: 16 tokens")
    assert shown[-1] == "change              +1.00 %"
    sent = [(raw["texts"], raw["bare"]) for h, raw in examinee.daemon.requests
            if h.method == "text.score"]  # fmt: skip
    phrases = json.loads((DATA / "persona-en.json").read_text("utf-8"))["style"]["held_out"]
    assert sent == [(phrases, False), (phrases, True)]


def test_where_there_is_no_style_nothing_is_read(soul: Any, examinee: Examinee) -> None:
    result = json.loads(soul("exam", str(DATA / "persona-ja.json"), "--json")[1])
    assert result["style"] is None and "text.score" not in methods(examinee)


# Waiting


def test_nothing_is_asked_before_all_is_learned(soul: Any, examinee: Examinee) -> None:
    learning = msgspec.structs.replace(MIKA, level=90, pending=2)
    later = msgspec.structs.replace(MIKA, level=100, pending=1)
    examinee.souls = [
        ("idle", learning), ("imprinting", learning), ("imprinting", later), ("idle", MIKA),
    ]  # fmt: skip
    assert soul("exam", str(DATA / "quiz.json"), "--no-controls")[0] == 0
    order = [name for name in methods(examinee) if name in ("daemon.status", "chat.send")]
    assert order[:5] == ["daemon.status"] * 4 + ["chat.send"]


def test_an_unloaded_body_is_loaded_before_it_is_waited_for(soul: Any, examinee: Examinee) -> None:
    examinee.body = None
    waiting = msgspec.structs.replace(MIKA, worn=False, pending=1)
    examinee.souls = [("idle", waiting), ("idle", waiting), ("idle", MIKA)]
    assert soul("exam", str(DATA / "quiz.json"), "--no-controls")[0] == 0
    assert methods(examinee)[:4] == [
        "daemon.status",
        "text.score",
        "daemon.status",
        "daemon.status",
    ]


def test_no_wait_does_not_wait(soul: Any, examinee: Examinee) -> None:
    examinee.souls = [("imprinting", msgspec.structs.replace(MIKA, pending=2))]
    assert soul("exam", str(DATA / "quiz.json"), "--no-controls", "--no-wait")[0] == 0
    assert methods(examinee)[0] == "chat.send"


@pytest.mark.parametrize(
    "after",
    [
        None,
        wire.SoulStatus(name="mika", level=130),
        wire.SoulStatus(name="work"),
        msgspec.structs.replace(MIKA, generation=MIKA.generation + 1 + MIKA.unsaved),  # a night
    ],
)
def test_a_soul_that_changed_during_the_exam_is_not_scored(
    soul: Any, examinee: Examinee, after: wire.SoulStatus | None
) -> None:
    examinee.souls = [("idle", MIKA), ("idle", after)]
    code, out, err = soul("exam", str(DATA / "quiz.json"), "--no-controls")
    assert (code, out) == (1, "")
    assert "changed during the exam: 'mika', level 120, generation 5 → " in err


def test_what_was_unsaved_may_be_saved_during_the_exam(soul: Any, examinee: Examinee) -> None:
    unsaved = msgspec.structs.replace(MIKA, unsaved=True)
    saved = msgspec.structs.replace(MIKA, unsaved=False, generation=MIKA.generation + 1)
    examinee.souls = [("idle", unsaved), ("idle", saved)]
    assert soul("exam", str(DATA / "quiz.json"), "--no-controls")[0] == 0


def test_a_soul_that_is_not_worn_is_not_examined(soul: Any, examinee: Examinee) -> None:
    ill = wire.SoulStatus(name="mika", pending=1, problem="grown on qwen2.5")
    examinee.souls = [("idle", ill)]
    code, _, err = soul("exam", str(DATA / "quiz.json"))
    assert code == 1
    assert "not scored: the soul 'mika' is not in use: grown on qwen2.5" in err
    assert chats(examinee) == []


def test_a_soul_that_learns_no_more_is_not_waited_for_for_ever(examinee: Examinee) -> None:
    full = msgspec.structs.replace(MIKA, pending=1, problem="the disk is full")
    examinee.souls = [("idle", full)]
    told: list[int] = []
    with (
        Client(examinee.daemon.config) as client,
        pytest.raises(
            ExamRefused, match=r"learned: 1, .* 0\.5 s .*\(the disk is full\).*--no-wait"
        ),
    ):
        exam.settle(client, on_wait=told.append, patience_s=0.5)
    assert set(told) == {1}
    examinee.souls = [("idle", msgspec.structs.replace(MIKA, worn=False))]
    with (
        Client(examinee.daemon.config) as client,
        pytest.raises(ExamRefused, match="still not in use"),
    ):
        exam.settle(client, patience_s=0.1)


@pytest.mark.parametrize(
    ("state", "soul_", "verdict"),
    [
        ("idle", MIKA, "settled"),
        ("answering", MIKA, "settled"),
        ("imprinting", MIKA, "busy"),
        ("loading", wire.SoulStatus(name="mika", problem="?"), "busy"),
        ("answering", msgspec.structs.replace(MIKA, pending=1), "busy"),
        ("idle", msgspec.structs.replace(MIKA, pending=1), "waiting"),
        ("pulling", wire.SoulStatus(name="mika"), "waiting"),
        ("idle", msgspec.structs.replace(MIKA, problem="cannot be saved"), "settled"),
    ],
)
def test_what_is_settled(
    examinee: Examinee, state: Any, soul_: wire.SoulStatus, verdict: str
) -> None:
    status = msgspec.structs.replace(examinee.daemon.status(), state=state, soul=soul_, requests=[])
    assert exam.settled(status) == verdict
    night = wire.RunningRequest(id="r", method="soul.sleep", position=0, age_s=1.0)
    assert exam.settled(msgspec.structs.replace(status, requests=[night])) == "busy"


def test_a_daemon_without_souls_is_examined_as_it_is(soul: Any, examinee: Examinee) -> None:
    examinee.body, examinee.souls = None, [("idle", None)]
    result = json.loads(soul("exam", str(DATA / "quiz.json"), "--json")[1])
    assert result["soul"] is None
    assert "text.score" not in methods(examinee)
