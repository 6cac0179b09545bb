"""``models/``, the config and the soul's files change while the daemon runs."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from soul_client.client import Client
from soul_client.wire import ErrorCode, Status
from tests.fakes.daemon_process import DaemonProcess, Peer, running

BODY = "smollm2-135m-instruct"
CLIENTS = 3
TIMEOUT_S = 15.0


def fingerprint(held: bytes, name: str = BODY) -> str:
    return hashlib.sha256(name.encode() + held).hexdigest()[:12]


def replace_body(daemon: DaemonProcess, held: bytes, name: str = BODY) -> None:
    """Put another file in the place of a body, as whoever is careful does."""
    path = daemon.config.parent / "models" / f"{name}.gguf"
    draft = path.with_suffix(".part")
    draft.write_bytes(b"GGUF" + held)
    draft.replace(path)


def names(peer: Peer) -> list[str]:
    return [body["name"] for body in peer.ask("body.list")["bodies"]]


def await_settled(peer: Peer) -> None:
    """Wait until the bodies that lay there before the daemon are known to be whole."""
    end_s = time.monotonic() + TIMEOUT_S
    while names(peer) != ["other", BODY]:
        assert time.monotonic() < end_s, names(peer)
        time.sleep(0.05)


class Listener:
    """Keeps the events of a daemon."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self._client = Client(daemon.config)
        self._stream = self._client.events()
        self.until("welcome")

    def until(self, name: str) -> dict[str, Any]:
        """Return what the next event of a name tells."""
        while (seen := self._stream.read(TIMEOUT_S)) is not None:
            if seen.event.name == name:
                return seen.event.data
        raise AssertionError(f"no event {name}")

    def close(self) -> None:
        """Listen no more."""
        self._stream.close()
        self._client.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_what_changes_in_models_is_listed_and_told(folder: Path) -> None:
    with running(folder) as (daemon, peer):
        peer.await_status(lambda s: s.watched is not None and s.watched.models == "notices")
        await_settled(peer)
        models, events = folder / "models", Listener(daemon)
        with (models / "new.gguf").open("wb") as file:
            file.write(b"GGUF half")
            file.flush()
            (models / "settled.gguf").write_bytes(b"GGUF whole")
            told = events.until("bodies")["changes"]
            assert told == [{"kind": "added", "name": "settled", "was": ""}]
            assert "settled" in names(peer) and "new" not in names(peer)
            file.write(b" and half")
        assert events.until("bodies")["changes"][0]["name"] == "new"
        (models / "new.gguf").rename(models / "renamed.gguf")
        told = events.until("bodies")["changes"]
        assert told == [{"kind": "renamed", "name": "renamed", "was": "new"}]
        (models / "renamed.gguf").unlink()
        told = events.until("bodies")["changes"]
        assert told == [{"kind": "removed", "name": "renamed", "was": ""}]
        assert names(peer) == ["other", "settled", BODY]
        events.close()


def test_three_clients_chat_through_a_swap(folder: Path) -> None:
    """Each gets all its replies, and each reply is of one body."""
    replies: list[list[str]] = [[] for _ in range(CLIENTS)]
    new = fingerprint(b"new")

    def chat(daemon: DaemonProcess, said: list[str]) -> None:
        with Client(daemon.config) as client:
            while len(said) < 200 and (not said or new not in said[-1]):
                said.append(client.chat("delay 0.01;who;tokens 6;who").wait().text)

    with running(folder, "body: {parallel: 3}") as (daemon, peer):
        peer.say("load")
        events = Listener(daemon)
        threads = [threading.Thread(target=chat, args=(daemon, said)) for said in replies]
        for thread in threads:
            thread.start()
        replace_body(daemon, b"new")
        phases = [events.until("reload")["phase"] for _ in range(2)]
        for thread in threads:
            thread.join(30)
        events.close()
    assert phases == ["checking", "used"]
    for said in replies:
        assert said and new in said[-1]
        for reply in said:
            first, *between, last = reply.split()
            assert first == last and between == [f"t{n}" for n in range(6)]


@pytest.mark.parametrize(("held", "why"), [(b"mute", "nothing to say"), (b"broken", "is broken")])
def test_a_body_that_is_no_good_is_not_used(folder: Path, held: bytes, why: str) -> None:
    with running(folder) as (daemon, peer):
        peer.say("load")
        pid = peer.status().engine.pid
        replace_body(daemon, held)
        status = peer.await_status(lambda s: s.watched is not None and s.watched.body_problem != "")
        assert why in status.watched.body_problem  # type: ignore[union-attr]
        assert status.engine.pid == pid
        assert peer.say("who")["text"] == f"{fingerprint(b'')} "
        replace_body(daemon, b"good")
        peer.await_status(lambda s: s.watched is not None and s.watched.body_problem == "")
        peer.await_status(lambda s: s.engine.pid not in (0, pid) and s.engine.state == "ready")
        assert peer.say("who")["text"] == f"{fingerprint(b'good')} "


def test_without_room_for_two_the_old_one_goes_first(folder: Path) -> None:
    with running(folder, "", "--one-room", str(folder / "room")) as (daemon, peer):
        peer.say("load")
        replace_body(daemon, b"new")
        new = fingerprint(b"new")
        peer.await_status(lambda s: s.body is not None and s.body.fingerprint.startswith(new))
        assert peer.say("who")["text"] == f"{new} "
        replace_body(daemon, b"mute")
        peer.await_status(lambda s: s.watched is not None and s.watched.body_problem != "")
        answer = peer.say("anybody?")  # never to be heard by a user
        assert answer.code is ErrorCode.BODY_INVALID and "nothing to say" in answer.message


def test_a_soul_that_no_longer_fits_is_said_with_the_way_out(folder: Path) -> None:
    with running(folder) as (daemon, peer):
        peer.say("My tortoise is called Gherkin.")
        peer.await_status(lambda s: s.soul is not None and s.soul.level > 0)
        replace_body(daemon, b"new")
        status = peer.await_status(lambda s: s.soul is not None and s.soul.problem != "")
        assert "soul reincarnate default" in status.soul.problem  # type: ignore[union-attr]
        assert peer.say("still there")["text"] == "still there "
        reborn = peer.ask("soul.reincarnate", {"name": "default", "body": BODY, "accept": True})
        assert (reborn["soul"], reborn["accepted"]) == ("default", True)
        peer.await_status(lambda s: s.soul is not None and s.soul.worn and not s.soul.problem)


def rewrite(daemon: DaemonProcess, old: str, new: str) -> None:
    text = daemon.config.read_text()
    assert old in text
    daemon.config.write_text(text.replace(old, new))


def test_settings_change_live_or_wait_for_a_restart(folder: Path) -> None:
    with running(folder, "chat: {top_k: 7}\nlog: {level: info}") as (daemon, peer):
        assert '"top_k": 7' in peer.say("sampling")["text"]
        events = Listener(daemon)
        rewrite(daemon, "top_k: 7", "top_k: 9, system_prompt: Be brief.")
        applied = events.until("config")
        assert applied == {
            "applied": ["chat.top_k", "chat.system_prompt"],
            "restart": [],
            "problem": "",
        }
        assert '"top_k": 9' in peer.say("sampling")["text"]
        assert "Be brief." in peer.say("messages")["text"]
        rewrite(daemon, "log: {level: info}", "log: {level: info}\nwire: {max_queue: 9}")
        assert events.until("config")["restart"] == ["wire.max_queue"]
        assert peer.ask("config.show")["values"]["wire"]["max_queue"] == 256
        rewrite(daemon, "max_queue: 9", "max_qeue: 9")
        problem = events.until("config")["problem"]
        assert "max_qeue" in problem and "max_queue" in problem
        status = peer.status()
        assert status.watched is not None and status.watched.config_problem == problem
        rewrite(daemon, "\nwire: {max_qeue: 9}", "")
        told = events.until("config")
        assert (told["restart"], told["problem"]) == ([], "")
        events.close()


def test_memory_is_switched_off_between_two_turns(folder: Path) -> None:
    with running(folder, "memory: on") as (daemon, peer):
        assert peer.say("for the diary")["recorded"]
        rewrite(daemon, "memory: on", "memory: off")
        peer.await_status(lambda s: not s.memory)
        assert not peer.say("for nobody")["recorded"]


def soul_problem(status: Status) -> str:
    assert status.soul is not None
    return status.soul.problem


def test_files_of_the_soul_that_somebody_else_changes_are_told_of(folder: Path) -> None:
    with running(folder) as (_, peer):
        peer.say("load")
        home = folder / "workspace" / "souls" / "default"
        (newest,) = home.glob("*.soul")
        kept = newest.read_bytes()
        newest.unlink()
        status = peer.await_status(lambda s: "another program" in soul_problem(s))
        assert "there is no generation, 1 is worn" in soul_problem(status)
        newest.write_bytes(kept)
        peer.await_status(lambda s: soul_problem(s) == "")
