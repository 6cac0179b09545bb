"""``soul why`` and ``/why``: the reasons of an answer in words, against a scripted daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from soul_cli.chat import commands
from soul_cli.chat.command import Misused
from soul_cli.chat.conversation import Conversation
from soul_cli.exits import Exit
from soul_cli.run import run
from soul_cli.settings import Settings
from soul_cli.texts import Texts
from soul_cli.why_lines import reason_lines
from soul_client import wire
from soul_client.wire import Kind, Progress
from tests.fakes.fake_daemon import FakeDaemon, answer, fake_daemon

LEARNED = wire.GenerationRise(
    number=2, saved="2026-05-03T14:00:00", why="timer", level=5, taught=2, log_p=-2.0, rise=0.5
)
NIGHT = wire.GenerationRise(
    number=4, saved="2026-05-04T04:10:00", why="sleep", level=5, taught=0, log_p=-0.25, rise=1.75
)
TOLD = wire.RecordRise(
    id="a", ts="2026-05-03T13:58:00", text="My cat is\x1b[2J Biscuit.", generation=2, rise=1.5
)
REASONS = wire.SoulReasons(
    soul="mika", question="My cat?", answer="Biscuit\x07.", tokens=3, bare=-2.5,
    generations=[LEARNED, NIGHT], records=[TOLD], weighed=2, gone=["b"],
)  # fmt: skip
SHOWN = [
    "Biscuit.",
    "how likely the answer is (ln p a token, 0: certain): -2.50 without the soul, -0.25 with it",
    "",
    "  2026-05-03 14:00, every few minutes: +0.50 nats a token (number 2, new records: 2)",
    "* the night that ended 2026-05-04 04:10: +1.75 nats a token (number 4, new records: 0)",
    "",
    "what explains it, read by the bare body before the question:",
    "  2026-05-03 13:58  +1.50  My cat is[2J Biscuit.",
    "no longer in the diary, of what was looked for: 1",
]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with fake_daemon(tmp_path) as running:
        running.scripts["soul.why"] = answer(
            (Kind.ACK, wire.Ack()), (Kind.PROGRESS, Progress(stage="tracing")),
            (Kind.DONE, REASONS),
        )  # fmt: skip
        yield running


def asked(daemon: FakeDaemon) -> Any:
    return next(raw for header, raw in reversed(daemon.requests) if header.method == "soul.why")


def test_the_reasons_are_said(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    soul = ["--config", str(daemon.config), "--lang", "en", "why"]
    assert run([*soul, " My cat? "]) == 0
    assert capsys.readouterr().out.splitlines() == SHOWN
    assert asked(daemon) == {"question": "My cat?", "answer": ""}
    assert run([*soul, "My cat?", "--answer", "Tim", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == msgspec.to_builtins(REASONS)
    assert asked(daemon) == {"question": "My cat?", "answer": "Tim"}
    daemon.requests.clear()
    assert run([*soul, "  "]) == Exit.USAGE
    assert all(header.method != "soul.why" for header, _ in daemon.requests)


def test_the_reasons_in_the_chat(daemon: FakeDaemon) -> None:
    with Conversation(Settings(config=str(daemon.config), language="en")) as talk:
        assert commands.run(talk, "why", "What is my cat called?").splitlines() == SHOWN
        assert asked(daemon) == {"question": "What is my cat called?", "answer": ""}
        with pytest.raises(Misused, match="it is /why QUESTION"):
            commands.run(talk, "why", "")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_night_has_the_date_that_its_generation_has(language: str) -> None:
    by_day = msgspec.structs.replace(NIGHT, saved="2026-05-04T10:05:00", older=True)
    lines = reason_lines(Texts(language), msgspec.structs.replace(REASONS, generations=[by_day]))
    assert "2026-05-04 10:05" in lines[3] and "2026-05-03" not in lines[3]


def test_where_there_is_no_reason_none_is_said() -> None:
    english = Texts("en")
    untold = msgspec.structs.replace(REASONS, generations=[], records=[], gone=[])
    assert reason_lines(english, untold)[2:] == [
        "mika was taught nothing yet: it answers as the bare body does"
    ]
    fallen = msgspec.structs.replace(LEARNED, rise=-0.25, older=True)
    own = msgspec.structs.replace(REASONS, generations=[fallen], records=[], gone=[])
    assert reason_lines(english, own)[3:] == [
        "  all up to 2026-05-03 14:00, every few minutes: -0.25 nats a token (number 2, "
        "records: 2; what came before it is not kept)",
        "",
        "nothing it learned made this likelier",
    ]
    unexplained = msgspec.structs.replace(REASONS, records=[], gone=[])
    assert reason_lines(english, unexplained)[-1] == (
        "no record explains it to the bare body (compared: 2)"
    )
