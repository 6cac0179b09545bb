"""A soul reborn on another body: night by night, stopped and gone on with, accepted or not."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from soul_client import locate
from soul_client.wire import Error, ErrorCode, Kind
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running
from tests.fakes.soul_watch import await_soul, is_done, soul_of

OLD, NEW = "smollm2-135m-instruct", "other"
REBORN = f"default-{NEW}"


def teach(peer: Peer, *texts: str) -> None:
    for text in texts:
        peer.say(text)
        await_soul(peer, is_done)


def spread(daemon: DaemonProcess, count: int, *, text: str = "fact {n}") -> None:
    """Write a diary of so many days before today, ten records each, for the soul in use."""
    folder = locate.workspace_dir(daemon.config) / "memories"
    for day in range(1, count + 1):
        lines = []
        for n in range(10):
            record = {
                "id": f"202601{day:02}T1200{n:02}-0000000{n}u",
                "ts": f"2026-01-{day:02}T12:00:{n:02}.000+00:00",
                "role": "user",
                "text": text.format(n=f"{day}.{n}"),
                "session": "s",
                "soul": "default",
                "imported": "2100-01-01T00:00:00+00:00",
            }
            lines.append(json.dumps(record))
        (folder / f"2026-01-{day:02}.jsonl").write_text("\n".join(lines) + "\n")


def reincarnate(peer: Peer, body: str = NEW, **params: Any) -> Any:
    return peer.ask("soul.reincarnate", {"name": "default", "body": body, **params})


def souls(peer: Peer) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in peer.ask("soul.list")["souls"]}


def files(daemon: DaemonProcess, soul: str) -> dict[str, bytes]:
    folder = locate.workspace_dir(daemon.config) / "souls" / soul
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def await_part(peer: Peer, id_: str, part: int) -> None:
    """Wait until it dreams in this night."""
    while True:
        header, body = peer.recv()
        assert header.kind not in (Kind.DONE, Kind.ERROR), body
        if header.id == id_ and header.kind is Kind.PROGRESS and body["stage"] == "dreaming":
            assert body["part"] <= part
            if body["part"] == part:
                return


def whys(peer: Peer, name: str) -> list[str]:
    return [one["why"] for one in peer.ask("soul.history", {"name": name})["generations"]]


def test_it_is_reborn_and_the_old_one_stays_in_use(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "my cat is called Biscuit", "I live in Bath")
        peer.ask("soul.save")
        spread(daemon, 2)
        before = files(daemon, "default")
        card = reincarnate(peer)
        assert (card["soul"], card["reborn"], card["accepted"]) == ("default", REBORN, False)
        assert (card["body"], card["old_body"], card["nights"]) == (NEW, OLD, 3)
        assert (card["records"], card["learned"], card["left"], card["gone"]) == (22, 22, 0, 0)
        assert card["before"] == {"recalled": 2, "facts": 2, "log_p": -0.25}
        assert card["after"] == card["before"] and card["never"]["recalled"] == 0
        assert files(daemon, "default") == before
        found = souls(peer)
        assert found["default"]["active"] and found[REBORN]["level"] == card["level"] == 49
        assert found[REBORN]["body_name"] == NEW
        assert await_soul(peer, lambda s: s.worn).name == "default"
        assert peer.status().body is not None and peer.status().body.name == OLD  # type: ignore[union-attr]
        assert whys(peer, REBORN) == ["sleep", "sleep", "sleep", "new"]
        noted = files(daemon, REBORN)["rebirth.json"]
        assert b"Biscuit" not in noted and b"fact 1" not in noted


def test_stopped_it_goes_on_where_it_was(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one")
        spread(daemon, 3, text="sleep 0.02;fact {n}")
        id_ = peer.send("soul.reincarnate", {"name": "default", "body": NEW})
        await_part(peer, id_, 2)
        assert peer.status().state == "dreaming"
        peer.cancel(id_)
        ended = peer.finish(id_)
        assert isinstance(ended, Error) and ended.code is ErrorCode.CANCELLED
        assert await_soul(peer, lambda s: s.worn).name == "default"
        assert whys(peer, REBORN) == ["sleep", "new"]
        card = reincarnate(peer, "")
        assert (card["nights"], card["learned"], card["level"]) == (4, 31, 91)
        assert whys(peer, REBORN) == [*["sleep"] * 4, "new"]


def test_killed_it_goes_on_and_its_client_may_be_gone(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one")
        peer.ask("soul.save")
        spread(daemon, 3, text="sleep 0.02;fact {n}")
        before = files(daemon, "default")
        id_ = peer.send("soul.reincarnate", {"name": "default", "body": NEW})
        await_part(peer, id_, 2)
        daemon.kill()
        assert files(daemon, "default") == before
    with running(tmp_path) as (daemon, peer):
        gone = Peer(daemon.await_ready())
        id_ = gone.send("soul.reincarnate", {"name": "default", "body": NEW})
        await_part(gone, id_, 2)
        busy = reincarnate(peer)
        assert busy.code is ErrorCode.BUSY
        assert peer.ask("soul.sleep").code is ErrorCode.BUSY
        gone.close()
        peer.await_status(lambda s: not s.requests)
        assert reincarnate(peer)["learned"] == 31
        assert souls(peer)["default"]["level"] == 1


def test_who_talks_is_answered_by_the_old_soul_and_then_it_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one")
        spread(daemon, 1, text="sleep 0.06;fact {n}")
        id_ = peer.send("soul.reincarnate", {"name": "default", "body": NEW})
        await_part(peer, id_, 1)
        other = Peer(daemon.await_ready())
        assert other.say("are you there?")["text"] == "are you there? "
        other.close()
        said = diary_of(daemon)[-1]
        assert (said["soul"], said["text"]) == ("default", "are you there? ")
        assert peer.finish(id_)["learned"] == 12
        assert await_soul(peer, is_done).level == 4


def test_accepted_it_takes_the_name_and_learns_what_was_said_since(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one", "two three")
        created = souls(peer)["default"]["created"]
        assert reincarnate(peer)["level"] == 3
        peer.say("imprint 60;four")
        card = reincarnate(peer, "", accept=True)
        assert (card["accepted"], card["reborn"]) == (True, "default")
        assert (card["kept_as"], card["learned"]) == ("default-before", 2)
        found = souls(peer)
        assert sorted(found) == ["default", "default-before"]
        assert found["default"]["active"] and found["default"]["body_name"] == NEW
        assert found["default"]["created"] == created and found["default-before"]["level"] == 3
        assert found["default-before"]["body_name"] == OLD
        status = await_soul(peer, lambda s: s.worn)
        assert (status.name, status.level, status.pending) == ("default", 3, 1)
        assert peer.status().body.name == NEW  # type: ignore[union-attr]
        assert "rebirth.json" not in files(daemon, "default")
        assert peer.ask("soul.report")["soul"] == "default"
        slept = peer.ask("soul.sleep")
        assert (slept["outcome"], slept["level"]) == ("kept", 5)
        assert [one["nights"] for one in slept["facts"]] == [1, 1, 0]
    with running(tmp_path) as (_, peer):
        peer.ask("body.load", {"name": NEW})
        assert (soul_of(peer).level, soul_of(peer).worn) == (5, True)
        assert peer.ask("soul.use", {"name": "default-before"}).code is ErrorCode.SOUL_MISMATCH


def test_without_the_old_body_only_the_new_one_is_asked(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        teach(peer, "one")
        peer.ask("soul.save")
    config = f"body: {{name: {NEW}}}"
    with running(tmp_path, config) as (_, peer):
        (tmp_path / "models" / f"{OLD}.gguf").unlink()
        peer.say("hello")
        hint = f"soul reincarnate default --body {NEW}"
        assert hint in soul_of(peer).problem
        card = reincarnate(peer)
        assert card["before"] is None and OLD in card["problem"]
        assert card["after"] == {"recalled": 1, "facts": 1, "log_p": -0.25}
        done = reincarnate(peer, accept=True)
        assert done["accepted"] and await_soul(peer, lambda s: s.worn).level == 1


def test_a_night_that_fails_twice_is_left_to_wait_and_what_is_gone_is_counted(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one", "two")
        spread(daemon, 2)
        day = locate.workspace_dir(daemon.config) / "memories" / "2026-01-02.jsonl"
        day.write_text(day.read_text().replace("fact 2.3", "nightmare"))
        today = next(iter(sorted(day.parent.glob("*.jsonl"), reverse=True)))
        today.write_text("".join(today.read_text().splitlines(keepends=True)[2:]))
        card = reincarnate(peer)
        assert (card["records"], card["learned"], card["left"]) == (21, 11, 10)
        assert (card["gone"], card["nights"]) == (1, 2)
        again = reincarnate(peer)
        assert (again["left"], again["nights"]) == (10, 2)


def test_what_cannot_be_is_refused_and_nothing_is_begun(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        assert reincarnate(peer).code is ErrorCode.NOT_FOUND  # no generation yet
        teach(peer, "one")
        assert reincarnate(peer, "nothing").code is ErrorCode.BODY_MISSING
        asked = reincarnate(peer, "", accept=True)
        assert asked.code is ErrorCode.BAD_REQUEST and "--body" in asked.hint
        assert peer.ask("soul.reincarnate", {"name": "nobody"}).code is ErrorCode.NOT_FOUND
        assert list(souls(peer)) == ["default"]


def test_a_night_that_goes_on_is_waited_for(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        teach(peer, "sleep 0.5;my cat is called Biscuit")
        peer.send("soul.sleep")
        while peer.status().state != "dreaming":
            time.sleep(0.01)
        reincarnate(peer)
        assert peer.ask("soul.report")["outcome"] == "kept"
