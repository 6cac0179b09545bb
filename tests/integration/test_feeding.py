"""Documents are fed: once, left to the nights, with marks of their own, and forgotten whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from soul_client import locate
from soul_client.async_client import AsyncClient
from soul_client.client import Client
from soul_client.wire import ErrorCode, Progress
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running
from tests.fakes.documents import GUIDE, SAID, write_guide
from tests.fakes.soul_process import Soul
from tests.fakes.soul_watch import await_soul, is_done, learned, soul_of

CAT = "my cat is called Biscuit"


def fed(peer: Peer, path: Path, **more: Any) -> Any:
    return peer.finish(peer.send("diary.feed", {"path": str(path), **more}), 30)


def statements(daemon: DaemonProcess) -> list[str]:
    return [one["text"] for one in diary_of(daemon) if one["role"] == "document"]


def test_fed_once_it_is_learned_at_night_and_in_no_conversation(tmp_path: Path, done: Path) -> None:
    path = write_guide(tmp_path / "guide.md")
    with running(tmp_path, "", "--taught", str(done)) as (daemon, peer):
        first = fed(peer, path)
        assert (first["soul"], first["documents"], first["statements"]) == ("default", 1, 2)
        assert (first["added"], first["known"], first["left_out"]) == (2, 0, 2)
        again = fed(peer, path)
        assert (again["added"], again["known"]) == (0, 2)
        assert statements(daemon) == SAID
        assert soul_of(peer).pending == 0
        peer.say(CAT)
        await_soul(peer, is_done)
        assert learned(done) == [CAT]
        for imported in (True, False):
            listed = peer.ask("session.list", {"imported": imported})["sessions"]
            assert [one["title"] for one in listed] == ([] if imported else [CAT])
        report = peer.ask("soul.sleep")
        assert (report["outcome"], report["left"]) == ("kept", 0)
        after = report["after"]
        assert (after["recalled"], after["facts"]) == (1, 1)
        assert (after["stated"], after["statements"]) == (2, 2)
        sources = [(one["text"], one["source"]) for one in report["facts"]]
        assert sources == [(CAT, ""), *((text, "guide.md") for text in SAID)]
        (written,) = (locate.workspace_dir(daemon.config) / "reports").iterdir()
        kept = json.loads(written.read_text("utf-8"))["facts"]
        assert [(one["text"], one["source"]) for one in kept] == [("", "")] * 3, "the diary has it"
        (listed,) = peer.ask("diary.documents")["documents"]
        assert (listed["name"], listed["statements"], listed["learned"]) == ("guide.md", 2, 2)
        assert peer.ask("soul.sleep")["outcome"] == "nothing"
        assert "Zorblax" not in daemon.log()


def test_a_document_is_forgotten_whole_and_the_rest_is_learned_again(tmp_path: Path) -> None:
    guide = write_guide(tmp_path / "guide.md")
    other = write_guide(tmp_path / "other.txt", "The lamp burns whale oil.\n")
    with running(tmp_path) as (daemon, peer):
        peer.say(CAT)
        await_soul(peer, is_done)
        fed(peer, guide)
        fed(peer, other)
        assert peer.ask("soul.sleep")["after"]["statements"] == 3
        missing = peer.ask("soul.forget", {"what": "none.md", "document": True})
        assert missing.code is ErrorCode.NOT_FOUND and "none.md" in missing.message
        found = peer.ask("soul.forget", {"what": "guide.md", "document": True, "wait": True})
        assert [one["text"] for one in found["records"]] == SAID
        assert (found["before"]["recalled"], found["after"]["recalled"]) == (2, 0)
        assert (found["relearned"], found["lost"]) == (1, 0)  # the cat was learned before it
        assert statements(daemon) == ["The lamp burns whale oil."]
        await_soul(peer, is_done)
        assert peer.ask("diary.documents")["documents"][0]["learned"] == 0
        report = peer.ask("soul.sleep")
        assert (report["after"]["statements"], report["after"]["facts"]) == (1, 1)
        assert fed(peer, guide)["added"] == 2  # fed again, it is there again


def test_what_two_documents_say_is_kept_as_the_first_ones(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    write_guide(folder / "a.txt", "The lamp burns whale oil.")
    write_guide(folder / "b.txt", "The sea is near.\n\nThe lamp burns whale oil.")
    with running(tmp_path) as (daemon, peer):
        assert (fed(peer, folder)["added"], fed(peer, folder)["known"]) == (2, 3)
        kept = {one["text"]: one["source"] for one in diary_of(daemon)}
        assert kept == {"The lamp burns whale oil.": "docs/a.txt", "The sea is near.": "docs/b.txt"}


def test_what_cannot_be_fed_is_said(tmp_path: Path) -> None:
    with running(tmp_path, "memory: off") as (daemon, peer):
        path = write_guide(tmp_path / "guide.md")
        assert fed(peer, path, dry_run=True)["added"] == 2
        assert "memory is off" in fed(peer, path).message
        assert fed(peer, tmp_path / "no.md", dry_run=True).code is ErrorCode.NOT_FOUND
        refused = peer.ask("diary.feed", {"path": "guide.md"})
        assert refused.code is ErrorCode.BAD_REQUEST
        assert diary_of(daemon) == [] and soul_of(peer).generation == 0


async def test_the_command_and_both_clients(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    write_guide(folder / "guide.md", f"{GUIDE}\nThe password is hunter2.\n")
    (folder / "photo\x1b[2J.jpg").write_bytes(b"x")
    with running(tmp_path) as (daemon, _):
        seen: list[str] = []
        with Client(daemon.config) as client:
            look = client.diary_feed(
                str(folder),
                dry_run=True,
                on_update=lambda u: seen.append(u.stage) if isinstance(u, Progress) else None,
            )
            assert look.added == 2 and {"reading_documents", "recording"} <= set(seen)
        soul = Soul(daemon.config)
        assert soul("feed", "--list").stdout == "no documents were fed to default\n"
        lines = soul("feed", str(folder)).stdout.splitlines()
        assert lines[:5] == [
            "documents 1, statements 2",
            "taken in for default: 2; already there: 0",
            "sentences that say nothing on their own, left out: 2",
            "have a secret in them and are not taken in: 1",
            "not read: 1",
        ]
        assert "\x1b" not in lines[5] and lines[5].endswith(": of no known kind")
        assert lines[6:] == ["It is learned in the coming nights: 'soul sleep'."]
        async with AsyncClient(daemon.config) as client_:
            (one,) = (await client_.diary_documents()).documents
            assert (one.name, one.learned) == ("docs/guide.md", 0)
        assert "docs/guide.md" in soul("feed", "--list", "--lang", "ja").stdout
        assert soul("feed").returncode == soul("feed", "a", "--list").returncode == 2
        assert soul("feed", "").returncode == soul("feed", "", "--list").returncode == 2
        assert "FILE is empty" in soul("import-chats", "").stderr
        soul("sleep", "--wait")
        report = soul("report").stdout
        assert "in the morning: stated 2 of 2" in report
        assert f"{SAID[1]}  (docs/guide.md)" in report
        planned = soul("feed", "--forget", "docs/guide.md", "--dry-run").stdout
        assert "messages: 2" in planned and len(diary_of(daemon)) == 2
        assert soul("feed", "--forget", "docs/guide.md", "--yes").returncode == 0
        assert diary_of(daemon) == []
