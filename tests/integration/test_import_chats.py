"""Chat logs become part of the diary: once, left to the nights, beside what is said here."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from soul_client import locate
from soul_client.async_client import AsyncClient
from soul_client.client import Client
from soul_client.wire import ErrorCode, Kind, Progress
from sould.soulfile.home import SoulFolder
from sould.supervisor.diary import Diary
from sould.supervisor.untaught import find_untaught
from tests.fakes.chat_logs import (
    SILLY_HEAD,
    conversation,
    diary_line,
    silly,
    write_lines,
    write_zip,
)
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running
from tests.fakes.soul_process import Soul
from tests.fakes.soul_watch import await_soul, is_done, learned, soul_of

SECRET = "my password is hunter2"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Two conversations of ChatGPT: three turns."""
    return write_zip(tmp_path / "export.zip", [conversation("c1", turns=2), conversation("c2")])


def taken_in(peer: Peer, path: Path, **more: Any) -> Any:
    return peer.finish(peer.send("diary.import", {"path": str(path), **more}), 30)


def days(daemon: DaemonProcess) -> dict[str, bytes]:
    folder = locate.workspace_dir(daemon.config) / "memories"
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


def test_an_import_is_in_the_diary_once_and_waits_for_no_lesson(
    tmp_path: Path, export: Path, done: Path
) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (daemon, peer):
        first = taken_in(peer, export)
        assert (first["kind"], first["soul"], first["conversations"]) == ("chatgpt", "default", 2)
        assert (first["messages"], first["added"], first["known"]) == (6, 6, 0)
        records = diary_of(daemon)
        assert [one["text"] for one in records][:2] == ["c1 q0", "c2 q0"]
        assert all(one["imported"] and one["soul"] == "default" for one in records)
        assert list(days(daemon)) == ["2023-11-14.jsonl"]
        before = days(daemon)
        again = taken_in(peer, export)
        assert (again["added"], again["known"]) == (0, 6)
        assert days(daemon) == before
        assert soul_of(peer).pending == 0
        peer.say("my cat is called Biscuit")
        await_soul(peer, is_done)
        assert learned(done) == ["my cat is called Biscuit"]
        assert not list((locate.workspace_dir(daemon.config) / "cache").glob("import*"))


def test_a_night_can_ask_for_what_was_imported(tmp_path: Path, export: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        taken_in(peer, write_lines(tmp_path / "d", diary_line("user", SECRET, "2025-05-01")))
        result = taken_in(peer, export)
        home = locate.workspace_dir(daemon.config)
        peer.say("hello")
        since = since_of(home)
        diary = Diary(home / "memories", lambda: pytest.fail("nothing is written"))
        untaught = find_untaught(diary, result["soul"], since, frozenset(), 3)
        assert [told.text for told in untaught.records] == ["c1 q0", "c2 q0", "hello"]
        assert untaught.left == 1


def since_of(workspace: Path) -> str:
    """Return since when the soul in use learns."""
    newest, _ = SoulFolder(workspace / "souls").home("default").newest()
    assert newest is not None and newest.meta is not None
    return str(newest.meta.config["since"])


def test_conversations_that_were_imported_are_listed_apart(tmp_path: Path, export: Path) -> None:
    with running(tmp_path) as (_, peer):
        taken_in(peer, export)
        mine = peer.say("hello")["session"]
        assert [one["session"] for one in peer.ask("session.list")["sessions"]] == [mine]
        imported = peer.ask("session.list", {"imported": True})["sessions"]
        assert sorted((one["title"], one["turns"]) for one in imported) == [
            ("c1 q0", 2),
            ("c2 q0", 1),
        ]
        assert all(one["imported"] and one["session"].startswith("chatgpt-") for one in imported)
        first = next(one["session"] for one in imported if one["title"] == "c1 q0")
        history = peer.ask("session.get", {"session": first})["messages"]
        assert [one["text"] for one in history] == ["c1 q0", "c1 r0", "c1 q1", "c1 r1"]


def test_a_dry_run_writes_nothing(tmp_path: Path, export: Path) -> None:
    with running(tmp_path, "memory: off") as (daemon, peer):
        look = taken_in(peer, export, dry_run=True)
        assert (look["added"], look["dry_run"], days(daemon)) == (6, True, {})
        assert peer.status().engine.state != "dead" and soul_of(peer).generation == 0
        refused = taken_in(peer, export)
        assert refused.code is ErrorCode.BAD_REQUEST and "memory is off" in refused.message


def test_what_an_undo_let_go_of_can_be_imported_again(tmp_path: Path, export: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        taken_in(peer, export)
        peer.ask("soul.reset")
        assert taken_in(peer, export)["added"] == 6
        assert taken_in(peer, export)["added"] == 0
        (one, *_) = peer.ask("session.list", {"imported": True})["sessions"]
        assert len(diary_of(daemon)) == 12 and one["turns"] == 2  # shown once


def test_each_soul_has_its_own(tmp_path: Path, export: Path) -> None:
    with running(tmp_path) as (_, peer):
        taken_in(peer, export)
        peer.ask("soul.new", {"name": "mika"})
        assert taken_in(peer, export)["added"] == 6


def test_an_interrupted_import_is_finished_by_the_next(tmp_path: Path) -> None:
    days_of = [date(2001, 1, 1) + timedelta(days=n // 5) for n in range(1000)]
    lines = [diary_line("user", f"text {n}", f"{day}T10:00Z") for n, day in enumerate(days_of)]
    path = write_lines(tmp_path / "diary", *lines)
    with running(tmp_path) as (daemon, peer):
        peer.send("diary.import", {"path": str(path)})
        while True:
            header, body = peer.recv(20)
            if header.kind is Kind.PROGRESS and body["stage"] == "recording" and body["done"]:
                break
        daemon.kill()
        assert diary_of(daemon)
    with running(tmp_path) as (daemon, peer):
        found = taken_in(peer, path)
        assert found["known"] > 0 and found["added"] + found["known"] == 1000
        ids = [one["id"] for one in diary_of(daemon)]
        assert len(ids) == len(set(ids)) == 1000


def test_stopped_it_leaves_nothing_behind_but_what_was_written(tmp_path: Path) -> None:
    one = json.dumps(conversation(turns=20)).encode()
    path = tmp_path / "big.json"
    path.write_bytes(b"[" + b",".join([one] * 2500) + b"]")
    with running(tmp_path) as (daemon, peer):
        id_ = peer.send("diary.import", {"path": str(path)})
        while peer.recv(20)[0].kind is not Kind.PROGRESS:
            pass
        second = Peer(daemon.await_ready())
        assert second.ask("diary.import", {"path": "/x"}).code is ErrorCode.BUSY
        second.close()
        peer.cancel(id_)
        assert peer.finish(id_).code is ErrorCode.CANCELLED
        assert diary_of(daemon) == []
        assert not list((locate.workspace_dir(daemon.config) / "cache").glob("import*"))
        assert peer.say("still here")["recorded"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("/nowhere/x.zip", ErrorCode.NOT_FOUND), ("x.zip", ErrorCode.BAD_REQUEST)],
)
def test_what_cannot_be_read_is_said(peer: Peer, path: str, code: ErrorCode) -> None:
    refused = peer.ask("diary.import", {"path": path})
    assert refused.code is code and path in refused.message


async def test_both_clients_import(tmp_path: Path, export: Path) -> None:
    with running(tmp_path) as (daemon, _):
        seen: list[str] = []
        with Client(daemon.config) as client:
            done = client.diary_import(
                str(export),
                on_update=lambda u: seen.append(u.stage) if isinstance(u, Progress) else None,
            )
            assert done.added == 6 and {"reading_log", "recording"} <= set(seen)
            assert len(client.sessions(imported=True).sessions) == 2
        async with AsyncClient(daemon.config) as client_:
            again = await client_.diary_import(str(export), dry_run=True)
            assert (again.known, again.dry_run) == (6, True)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(
        tmp_path / "chat.jsonl",
        SILLY_HEAD,
        silly("京都に\x1b[2J住んでいます", is_user=True, at="2023-11-25T10:00:00Z"),
        silly(SECRET, is_user=True, at="2023-11-25T10:01:00Z"),
        b"not json",
    )
    monkeypatch.chdir(tmp_path)
    with running(tmp_path) as (daemon, _):
        soul = Soul(daemon.config)
        assert soul.json("import-chats", "chat.jsonl", "--dry-run")["added"] == 2
        done = soul("import-chats", "chat.jsonl")
        assert (done.returncode, done.stdout.splitlines()) == (
            0,
            [
                "SillyTavern: conversations 1, messages 2, 2023-11-25 to 2023-11-25",
                "taken in for default: 2; already there: 0",
                "have a secret in them and are never learned: 1",
                "left out, no JSON: 1 (the first: 4)",
                "It is learned in the coming nights: 'soul sleep'.",
            ],
        )
        assert [one["learn"] for one in diary_of(daemon)] == [True, False]
        assert soul.json("import-chats", "chat.jsonl")["known"] == 2
        assert "すでにあったもの: 2 件" in soul("import-chats", "chat.jsonl", "--lang", "ja").stdout
        assert soul("sessions").stdout == "no conversations yet\n"
        assert "住んでいます" in soul("sessions", "--imported").stdout  # and no escape sequence
        failed = soul("import-chats", "config.yaml")
        assert failed.returncode == 1 and "config.yaml: is no chat log" in failed.stderr
        assert SECRET not in daemon.log() and "京都" not in daemon.log()
