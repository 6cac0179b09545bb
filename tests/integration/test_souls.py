"""Which soul is in use, its generations, and its files."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from soul_client import codec
from soul_client.wire import ErrorCode, SoulGenerations, SoulStatus, SoulVerified
from tests.fakes.daemon_process import DaemonProcess, Peer, running, write_config
from tests.fakes.soul_watch import await_soul, is_done, learned, lines, soul_of
from tests.fakes.souls import make_soul


def status(answer: Any) -> SoulStatus:
    assert isinstance(answer, dict), answer
    return codec.convert(answer, SoulStatus)


def whys(peer: Peer, name: str = "") -> list[str]:
    found = codec.convert(peer.ask("soul.history", {"name": name}), SoulGenerations)
    assert [g.current for g in found.generations] == [True] + [False] * (len(found.generations) - 1)
    assert not any(g.problem for g in found.generations)
    return [g.why for g in found.generations]


def teach(peer: Peer, text: str) -> SoulStatus:
    level = soul_of(peer).level
    peer.say(text)
    return await_soul(peer, lambda s: s.level == level + len(text.split()) and is_done(s))


def test_souls_are_begun_switched_and_listed(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one two")
        begun = status(peer.ask("soul.new", {"name": "mika"}))
        assert (begun.name, begun.worn, begun.level, begun.generation) == ("mika", True, 0, 1)
        teach(peer, "three")
        back = status(peer.ask("soul.use", {"name": "default"}))
        assert (back.name, back.level, back.unsaved, back.pending) == ("default", 2, False, 0)
        souls = peer.ask("soul.list")["souls"]
        assert [(s["name"], s["active"], s["level"]) for s in souls] == [
            ("default", True, 2),
            ("mika", False, 1),
        ]
        assert whys(peer) == ["switch", "new"] and whys(peer, "mika") == ["switch", "new"]
        taken = peer.ask("soul.new", {"name": "mika"})
        assert taken.code is ErrorCode.BAD_REQUEST and "mika" in taken.message
        assert peer.ask("soul.use", {"name": "nobody"}).code is ErrorCode.NOT_FOUND
        assert peer.ask("soul.use", {"name": "../x"}).code is ErrorCode.SOUL_INVALID
        peer.ask("soul.use", {"name": "mika"})
        daemon.terminate()
    with running(tmp_path) as (_, peer):
        assert await_soul(peer, lambda s: s.level == 1).name == "mika"


def test_without_a_body_only_files_are_touched(tmp_path: Path) -> None:
    with running(tmp_path, "", "--load-s", "60") as (_, peer):
        begun = status(peer.ask("soul.new", {"name": "mika"}))
        assert (begun.name, begun.worn, begun.generation) == ("mika", False, 0)
        assert status(peer.ask("soul.use", {"name": "default"})).name == "default"
        assert peer.ask("soul.undo").code is ErrorCode.NOT_FOUND
        assert not status(peer.ask("soul.reset")).worn
        assert status(peer.ask("soul.save")).generation == 0
        assert peer.ask("soul.export", {"path": str(tmp_path / "x")}).code is ErrorCode.NOT_FOUND
        assert peer.status().body is None


def test_undo_dismisses_what_waits_and_goes_further_back_each_time(
    tmp_path: Path, asked: Path
) -> None:
    with running(tmp_path, "", "--imprints", str(asked)) as (daemon, peer):
        teach(peer, "one")
        peer.ask("soul.save")
        teach(peer, "two three")
        peer.say("imprint 60;never")
        await_soul(peer, lambda s: s.pending == 1)
        undone = status(peer.ask("soul.undo"))
        assert (undone.level, undone.pending, undone.worn) == (1, 0, True)
        assert whys(peer) == ["undo", "undo", "save", "new"]  # what was unsaved is kept as well
        undone = status(peer.ask("soul.undo"))
        assert undone.level == 0
        assert peer.ask("soul.undo").code is ErrorCode.NOT_FOUND
        assert status(peer.ask("soul.undo", {"to": 3})).level == 3
        daemon.terminate()
    with running(tmp_path, "", "--imprints", str(asked)) as (_, peer):
        await_soul(peer, lambda s: s.level == 3)
        teach(peer, "four")
        assert [line["text"] for line in lines(asked)][-2:] == ["imprint 60;never", "four"]


def test_reset_begins_anew_and_can_be_undone(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        teach(peer, "one two")
        fresh = status(peer.ask("soul.reset"))
        assert (fresh.level, fresh.pending, fresh.generation) == (0, 0, 3)
        assert status(peer.ask("soul.undo")).level == 2


def test_file_operations_know_the_journal_after_a_crash(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one two")
        daemon.kill()
    with running(tmp_path, "", "--load-s", "60") as (_, peer):
        found = await_soul(peer, lambda s: s.level == 2)
        assert (found.unsaved, found.generation, found.worn) == (True, 1, False)
        saved = status(peer.ask("soul.save"))
        assert (saved.unsaved, saved.generation, saved.level) == (False, 2, 2)
        assert status(peer.ask("soul.undo")).level == 0


def test_a_copy_an_export_and_its_import(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        teach(peer, "one two")
        saved = status(peer.ask("soul.save", {"name": "twin"}))
        assert (saved.name, saved.generation, saved.unsaved) == ("default", 2, False)
        assert peer.ask("soul.save", {"name": "twin"}).code is ErrorCode.BAD_REQUEST
        file = tmp_path / "out.soul"
        told = peer.ask("soul.export", {"path": str(file)})
        assert (told["name"], told["size_bytes"]) == ("default", file.stat().st_size)
        assert "already" in peer.ask("soul.export", {"path": str(file)}).message
        assert peer.ask("soul.export", {"path": str(file), "replace": True})["path"] == str(file)
        assert peer.ask("soul.export", {"path": "x.soul"}).code is ErrorCode.BAD_REQUEST
        taken = peer.ask("soul.import", {"path": str(file)})
        assert taken.code is ErrorCode.BAD_REQUEST
        told = peer.ask("soul.import", {"path": str(file), "name": "third"})
        assert (told["name"], Path(told["path"]).exists()) == ("third", True)
        assert [s["name"] for s in peer.ask("soul.list")["souls"]] == ["default", "third", "twin"]
        assert status(peer.ask("soul.use", {"name": "third"})).level == 2
        teach(peer, "three")
        assert whys(peer) == ["import"]


def test_a_file_can_be_loaded_if_it_fits(tmp_path: Path, other_soul: Path) -> None:
    with running(tmp_path) as (_, peer):
        teach(peer, "one two")
        peer.ask("soul.save", {"name": "twin"})
        file = tmp_path / "new.soul"
        peer.ask("soul.export", {"path": str(file), "name": "twin"})
        shutil.rmtree(tmp_path / "workspace" / "souls" / "twin")
        loaded = status(peer.ask("soul.load", {"source": str(file)}))
        assert (loaded.name, loaded.level, loaded.worn) == ("twin", 2, True)
        assert status(peer.ask("soul.load", {"source": "default"})).name == "default"
        refused = peer.ask("soul.load", {"source": str(other_soul)})
        assert refused.code is ErrorCode.SOUL_MISMATCH
        assert "3f9c3f9c3f9c" in refused.message and "reincarnate" in refused.hint
        assert [s["name"] for s in peer.ask("soul.list")["souls"]] == ["default", "twin"]
        assert soul_of(peer).worn


@pytest.fixture
def other_soul(tmp_path: Path) -> Path:
    """A soul of another body, with weights."""
    from sould.soulfile.record import write

    write(tmp_path / "other.soul", make_soul(name="stranger"))
    return tmp_path / "other.soul"


def test_a_file_is_verified_in_a_process_of_its_own(tmp_path: Path, other_soul: Path) -> None:
    with running(tmp_path) as (_, peer):
        found = codec.convert(peer.ask("soul.verify", {"path": str(other_soul)}), SoulVerified)
        assert (found.faults, found.name, found.level, found.fits) == ([], "stranger", 1234, None)
        peer.say("hello")
        found = codec.convert(peer.ask("soul.verify", {"path": str(other_soul)}), SoulVerified)
        assert found.fits is False and found.taught == 3
        raw = bytearray(other_soul.read_bytes())
        raw[-1] ^= 1
        other_soul.write_bytes(raw)
        found = codec.convert(peer.ask("soul.verify", {"path": str(other_soul)}), SoulVerified)
        assert "damaged" in found.faults[0] and found.fits is None
        refused = peer.ask("soul.import", {"path": str(other_soul)})
        assert refused.code is ErrorCode.SOUL_INVALID and "damaged" in refused.message
        missing = peer.ask("soul.verify", {"path": str(tmp_path / "none")})
        assert missing.code is ErrorCode.NOT_FOUND


def test_a_soul_of_another_body_is_not_worn_and_nothing_waits_for_it(
    tmp_path: Path, done: Path
) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (daemon, peer):
        teach(peer, "one")
        assert peer.ask("body.load", {"name": "other"})["name"] == "other"
        bare = soul_of(peer)
        assert not bare.worn and "grown on body smollm2-135m-instruct" in bare.problem
        assert "reincarnate" in bare.problem and "WARNING" in daemon.log()
        (listed,) = peer.ask("soul.list")["souls"]
        assert listed["problem"] == "was grown on body smollm2-135m-instruct"
        assert peer.say("said to the bare body")["recorded"]
        assert soul_of(peer).pending == 0
        begun = status(peer.ask("soul.new", {"name": "second"}))
        assert begun.worn and begun.problem == ""
        refused = peer.ask("soul.use", {"name": "default"})
        assert refused.code is ErrorCode.SOUL_MISMATCH
        assert soul_of(peer) == begun
        peer.ask("body.load", {"name": "smollm2-135m-instruct"})
        assert not soul_of(peer).worn
        assert status(peer.ask("soul.use", {"name": "default"})).worn
        teach(peer, "two")
        assert learned(done) == ["one", "two"]


def test_a_switch_stops_learning_and_it_goes_on_later(tmp_path: Path, done: Path) -> None:
    with running(tmp_path, "", "--taught", str(done)) as (_, peer):
        peer.say("imprint 0.4;one")
        peer.await_status(lambda s: s.state == "imprinting")
        begun = time.monotonic()
        assert status(peer.ask("soul.new", {"name": "mika"})).pending == 0
        assert time.monotonic() - begun < 0.4
        teach(peer, "two")
        assert status(peer.ask("soul.use", {"name": "default"})).pending == 1
        await_soul(peer, is_done)
        assert learned(done) == ["two", "imprint 0.4;one"]


def test_what_is_unsaved_is_saved_by_the_timer(tmp_path: Path) -> None:
    with running(tmp_path, "soul: {save_every_s: 0.3, keep: 3}") as (_, peer):
        teach(peer, "one")
        saved = await_soul(peer, lambda s: not s.unsaved)
        assert saved.generation == 2
        time.sleep(0.5)
        assert whys(peer) == ["timer", "new"]  # not again while nothing is new


@pytest.mark.parametrize("way", ["exit", "unload", "other body"])
def test_the_end_of_the_engine_saves(tmp_path: Path, way: str) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one")
        if way == "exit":
            daemon.terminate()
        elif way == "unload":
            peer.ask("body.unload")
            assert soul_of(peer) == SoulStatus(
                name="default", level=1, generation=2, saved=soul_of(peer).saved
            )
        else:
            peer.ask("body.load", {"name": "other"})
        if way != "exit":
            assert whys(peer) == ["unload", "new"]
            return
    with running(tmp_path) as (_, peer):
        assert await_soul(peer, lambda s: s.generation == 2).unsaved is False
        assert whys(peer) == ["exit", "new"]


def test_texts_are_scored_with_the_soul_and_without(peer: Peer) -> None:
    assert peer.ask("text.score", {"texts": ["a b", "c"]}) == {"tokens": [2, 1], "nats": [2, 1]}
    scored = peer.ask("text.score", {"texts": ["a b"], "bare": True})
    assert scored == {"tokens": [2], "nats": [4]}


def test_generations_are_compared(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        teach(peer, "one")
        found = peer.ask("soul.diff", {"a": "default@1", "b": "default", "probes": ["Who?"]})
        assert (found["a"], found["b"]) == ("default@1", "default")
        (probed,) = found["probes"]
        assert probed["a"].endswith("00000001.soul") and probed["b"].endswith("00000002.soul")
        assert whys(peer) == ["diff", "new"]
        assert peer.ask("soul.diff", {"a": "", "b": "default"})["a"] == ""
        for ref in ("nobody", "default@9"):
            assert peer.ask("soul.diff", {"a": ref, "b": ""}).code is ErrorCode.NOT_FOUND
        assert peer.ask("soul.diff", {"a": "default@x", "b": ""}).code is ErrorCode.BAD_REQUEST


def test_a_name_no_soul_can_have_is_a_fault_of_the_config(tmp_path: Path) -> None:
    daemon = DaemonProcess(write_config(tmp_path, "soul: {name: a/b}"))
    assert daemon.process.wait(10) == 78
    assert "soul.name is 'a/b'" in daemon.stderr()
    daemon.close()


def test_a_soul_whose_folder_was_deleted_begins_anew(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        teach(peer, "one")
        peer.ask("soul.new", {"name": "mika"})
        daemon.terminate()
    shutil.rmtree(tmp_path / "workspace" / "souls" / "mika")
    with running(tmp_path) as (_, peer):
        teach(peer, "two")
        assert soul_of(peer).name == "mika"
