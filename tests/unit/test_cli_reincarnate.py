"""``soul reincarnate`` and ``/reincarnate``, against a scripted daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from soul_cli.chat import commands
from soul_cli.chat.command import Misused
from soul_cli.chat.conversation import Conversation
from soul_cli.run import run
from soul_cli.settings import Settings
from soul_cli.texts import Texts
from soul_cli.waiting import Waiting
from soul_client import wire
from soul_client.wire import Kind
from tests.fakes.fake_daemon import FakeDaemon, answer, fake_daemon

CARD = wire.Reincarnated(
    soul="mika",
    reborn="mika-other",
    body="other",
    old_body="tiny",
    records=30,
    learned=20,
    left=4,
    silent=6,
    gone=2,
    nights=3,
    before=wire.RecallMarks(recalled=3, facts=5, log_p=-0.31),
    after=wire.RecallMarks(recalled=4, facts=5, log_p=-0.25),
    never=wire.RecallMarks(recalled=0, facts=5, log_p=-4.12),
    seconds=200.0,
)
SHOWN = [
    "mika is reborn on body other as mika-other (nights: 3; 3 min 20 s)",
    "what it was told: 30, learned: 20",
    "left in nights that were rolled back, to be learned later: 4",
    "messages with no fact in them: 6",
    "taught to the old one, and not in the diary any more: 2",
    "                old, tiny  reborn, other  never told",
    "asked, says it  3 of 5     4 of 5         0 of 5",
    "ln p a token    -0.3       -0.2           -4.1",
]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with fake_daemon(tmp_path) as running:
        running.scripts["soul.reincarnate"] = answer((Kind.ACK, wire.Ack()), (Kind.DONE, CARD))
        yield running


def soul(daemon: FakeDaemon, *args: str) -> int:
    return run(["--config", str(daemon.config), "--lang", "en", "reincarnate", *args])


def asked(daemon: FakeDaemon) -> list[dict[str, object]]:
    return [raw for header, raw in daemon.requests if header.method == "soul.reincarnate"]


def test_old_and_new_are_shown_side_by_side(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert soul(daemon, "mika", "--body", "other") == 0
    *shown, hint = capsys.readouterr().out.splitlines()
    assert shown == SHOWN and "'soul reincarnate mika --body other --accept'" in hint
    assert asked(daemon) == [{"name": "mika", "body": "other", "accept": False}]
    soul(daemon, "mika", "--json")
    assert json.loads(capsys.readouterr().out) == msgspec.to_builtins(CARD)


def test_accepted_it_says_what_became_of_both(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    done = msgspec.structs.replace(CARD, accepted=True, kept_as="mika-before", reborn="mika")
    daemon.scripts["soul.reincarnate"] = answer((Kind.DONE, done))
    assert soul(daemon, "mika", "--accept") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mika is the reborn soul now; the old one is kept as mika-before."
    assert "body.name to other" in lines[-1]
    assert asked(daemon) == [{"name": "mika", "body": "", "accept": True}]


def test_without_the_old_body_the_new_one_is_shown_alone(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = msgspec.structs.replace(CARD, before=None, problem="no body 'tiny'")
    daemon.scripts["soul.reincarnate"] = answer((Kind.DONE, alone))
    soul(daemon, "mika", "--body", "other")
    out = capsys.readouterr().out
    assert "could not be asked: no body 'tiny'" in out and "old, tiny" not in out
    nothing = msgspec.structs.replace(alone, after=None, never=None)
    daemon.scripts["soul.reincarnate"] = answer((Kind.DONE, nothing))
    soul(daemon, "mika", "--body", "other")
    assert "no fact in what it was told" in capsys.readouterr().out


def test_while_it_lasts_the_night_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, int, int]] = []
    waiting = Waiting(Texts("en"))
    monkeypatch.setattr(waiting, "show", lambda *update, **beside: shown.append(update))
    waiting.update(wire.Progress(stage="dreaming", done=1, total=9, part=2, parts=5))
    assert shown == [("night 2 of 5: dreaming", 1, 9)]


def test_in_the_chat_it_is_begun_and_left_to_itself(daemon: FakeDaemon) -> None:
    with Conversation(Settings(config=str(daemon.config), language="en"), session="s") as talk:
        with pytest.raises(Misused, match=r"/reincarnate NAME \[BODY\]"):
            commands.run(talk, "reincarnate", "")
        assert commands.run(talk, "reincarnate", "mika other").splitlines() == SHOWN
        working = wire.Progress(stage="gathering")
        daemon.scripts["soul.reincarnate"] = answer(
            (Kind.ACK, wire.Ack()), (Kind.PROGRESS, working)
        )
        assert "'soul reincarnate mika' compares" in commands.run(talk, "reincarnate", "mika")
        assert "mika --body other' comp" in commands.run(talk, "reincarnate", "mika other")
        assert [one["body"] for one in asked(daemon)] == ["other", "", "other"]
