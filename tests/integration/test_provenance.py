"""Why an answer: the generations and records behind it, whatever became of them since."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soul_client import codec, locate
from soul_client.client import Client
from soul_client.wire import ErrorCode, Kind, SoulReasons
from tests.fakes.daemon_process import Peer, running
from tests.fakes.soul_watch import await_soul, is_done, soul_of


def teach(peer: Peer, *texts: str) -> None:
    for text in texts:
        peer.say(text)
    await_soul(peer, is_done)


def why(peer: Peer, question: str = "My cat?", answer: str = "") -> SoulReasons:
    found = peer.ask("soul.why", {"question": question, "answer": answer})
    assert isinstance(found, dict), found
    return codec.convert(found, SoulReasons)


def whys(peer: Peer) -> list[str]:
    return [one["why"] for one in peer.ask("soul.history")["generations"]]


def begun(peer: Peer, method: str, params: dict[str, Any], stage: str) -> str:
    """Send a request and return its id once it is in a stage."""
    id_ = peer.send(method, params)
    while True:
        header, body = peer.recv()
        if (header.id, header.kind) == (id_, Kind.PROGRESS) and body["stage"] == stage:
            return id_


def test_an_answer_comes_from_what_was_told(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        untold = why(peer)
        assert (untold.soul, untold.answer, untold.bare) == ("default", "Biscuit", -4.0)
        assert (untold.generations, untold.records, whys(peer)) == ([], [], ["new"])
        teach(peer, "I live in Bath", "I was born in May")
        peer.ask("soul.save")
        teach(peer, "my cat is Biscuit")
        found = why(peer)
        assert whys(peer) == ["why", "save", "new"], "it was saved first"
        rises = [(one.number, one.why, one.taught, one.rise) for one in found.generations]
        assert rises == [(2, "save", 2, 2.0), (3, "why", 1, 1.0)]
        assert [one.log_p for one in found.generations] == [-2.0, -1.0]
        (record,) = found.records
        assert (record.text, record.generation, record.rise) == ("my cat is Biscuit", 3, 1.0)
        assert (found.weighed, found.gone) == (3, [])
        assert why(peer).generations == found.generations and len(whys(peer)) == 3
        (bath,) = why(peer, "Where?", "Bath").records
        assert (bath.text, bath.generation) == ("I live in Bath", 2)
        assert why(peer, "Where?", "Paris").records == []


def test_what_is_gone_from_the_diary_is_said_to_be(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "I live in Bath", "my cat is Biscuit")
        for path in (locate.workspace_dir(daemon.config) / "memories").glob("*.jsonl"):
            path.write_text("".join(path.read_text("utf-8").splitlines(keepends=True)[2:]), "utf-8")
        found = why(peer)
        assert [one.text for one in found.records] == ["my cat is Biscuit"]
        assert (found.weighed, len(found.gone)) == (1, 1)
        for path in (locate.workspace_dir(daemon.config) / "memories").glob("*.jsonl"):
            path.unlink()
        found = why(peer)
        assert (found.records, found.weighed, len(found.gone)) == ([], 0, 2)
        assert found.generations[0].rise == 2.0


def test_what_was_undone_is_no_reason(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        teach(peer, "my cat is Biscuit")
        peer.ask("soul.save")
        teach(peer, "I live in Bath")
        peer.ask("soul.undo")
        found = why(peer)
        assert [(one.number, one.why) for one in found.generations] == [(2, "save")]
        assert why(peer, "Where?", "Bath").records == []


def test_it_is_stopped_as_anything_is_and_the_daemon_answers_meanwhile(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        id_ = begun(peer, "soul.why", {"question": "trace 60"}, "tracing")
        assert peer.status().state == "answering"
        peer.cancel(id_)
        assert peer.finish(id_).code is ErrorCode.CANCELLED


def test_it_does_not_wake_the_soul(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "sleep 1.5;my cat is Biscuit")
        night = begun(peer, "soul.sleep", {}, "dreaming")
        with Client(daemon.config) as other:
            assert other.soul_why("My cat?").generations[-1].why == "evening"
        assert peer.finish(night)["outcome"] == "kept"
        assert whys(peer)[0] == "sleep"
        assert not soul_of(peer).unsaved


def test_without_a_soul_there_is_no_reason(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        teach(peer, "one")
        peer.ask("body.load", {"name": "other"})
        refused = peer.ask("soul.why", {"question": "Who?"})
        assert refused.code is ErrorCode.NOT_FOUND and "not worn" in refused.message
        assert peer.ask("soul.why", {"question": ""}).code is ErrorCode.BAD_REQUEST
