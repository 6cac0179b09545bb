"""The pure parts of plugins: who stands how, what is found, whose code runs, what a prompt gets."""

from __future__ import annotations

import tempfile
from importlib import metadata

import msgspec
import pytest

from soul_client.wire import ChatMessage, Sampling
from sould import plugin
from sould.bridge import Generate, Sleep, Told
from sould.plugin import Added, Hooks, Job
from sould.pluginhost.mark import Mark
from sould.pluginhost.messages import Buffer, Drop, Loaded, pack
from sould.pluginhost.table import HOOKS, QUICK, RESULTS
from sould.supervisor.plugins import discovery
from sould.supervisor.plugins.discovery import Found, resolve
from sould.supervisor.plugins.listing import entries
from sould.supervisor.plugins.nights import only
from sould.supervisor.plugins.prompting import notes_of, with_added
from sould.supervisor.plugins.standing import Standings


def test_every_hook_has_its_place() -> None:
    specified = [name for name in vars(Hooks) if not name.startswith("_")]
    assert sorted(HOOKS[1:]) == sorted(specified)
    assert set(RESULTS) | QUICK <= set(specified)
    assert all(hasattr(plugin, name) for name in plugin.__all__)


def test_three_strikes_and_it_is_asked_no_more() -> None:
    standings = Standings(["a", "b"])
    assert standings.may_have("before_turn"), "nobody knows before they are loaded"
    standings.loaded(Loaded(name="a", hooks=["before_turn"]))
    standings.loaded(Loaded(name="b", hooks=["after_turn"]))
    assert not standings.may_have("vet_soul")
    states = [standings.strike("a", f"fault {n}").state for n in range(3)]
    assert states == ["on", "on", "disabled"]
    assert standings.usable == ["b"] and not standings.may_have("before_turn")
    standings.loaded(Loaded(name="a", hooks=["before_turn"]))
    assert standings["a"].state == "disabled", "another host does not bring it back"
    assert (standings["a"].problem, standings["b"].strikes) == ("fault 2", 0)


def test_what_could_not_be_loaded_may_be_loaded_later() -> None:
    standings = Standings(["a"])
    standings.loaded(Loaded(name="a", problem="no module"))
    assert (standings["a"].state, standings.usable) == ("failed", [])
    standings.loaded(Loaded(name="a", hooks=["shutdown"]))
    assert standings["a"].state == "on"


def test_enabled_names_are_plugins_or_else_modules() -> None:
    known = {"notes": Found(name="notes", target="soul_notes:plugin", source="dist", version="2")}
    found = resolve(["mine.own", "notes"], known)
    assert [(one.target, one.source) for one in found] == [
        ("mine.own", "module"),
        ("soul_notes:plugin", "dist"),
    ]
    standings = Standings(["mine.own"])
    listed = entries({"mine.own": standings["mine.own"]}, known)
    assert [(one.name, one.enabled, one.state) for one in listed] == [
        ("mine.own", True, "starting"),
        ("notes", False, "off"),
    ]


def test_two_distributions_with_a_plugin_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        metadata.EntryPoint(name="notes", value=value, group=discovery.GROUP)
        for value in ("one", "two")
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: points)
    assert "remove one of them" in discovery.installed()["notes"].problem


def test_the_mark_says_whose_code_runs() -> None:
    with tempfile.TemporaryFile() as file:
        file.truncate(4096)
        ours, theirs = Mark(file.fileno()), Mark(file.fileno())
    assert ours.read().plugin is None
    theirs.set(plugin=11, hook=4, budget_s=0.25)
    first = ours.read()
    assert (first.plugin, first.hook, first.budget_s) == (11, 4, 0.25)
    theirs.set(plugin=11, hook=4, budget_s=0.25)
    assert ours.read() != first, "another call of the same one"
    theirs.set(plugin=4000, hook=14, budget_s=1000.0)
    assert (ours.read().plugin, ours.read().hook) == (4000, 14)
    theirs.clear()
    assert ours.read().plugin is None
    ours.close()
    theirs.close()


def test_messages_come_whole_however_they_are_cut() -> None:
    stream = b"".join(pack(Drop(plugin=name)) for name in ("a", "b" * 300, "c"))
    for size in (1, 3, 64, len(stream)):
        buffer = Buffer()
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        found = [data for piece in pieces for data in buffer.feed(piece)]
        names = [msgspec.msgpack.decode(data, type=Drop).plugin for data in found]
        assert names == ["a", "b" * 300, "c"]
    with pytest.raises(ValueError, match="was announced"):
        Buffer().feed(b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="at most"):
        pack(Drop(plugin="x" * (1 << 25)))


def order(*messages: tuple[str, str]) -> Generate:
    said = [ChatMessage(role=role, text=text) for role, text in messages]  # type: ignore[arg-type]
    return Generate(messages=said, sampling=Sampling(), keep_from=2)


def test_notes_stand_before_what_is_said_and_the_rest_stays() -> None:
    past = (("user", "hi"), ("assistant", "hello"))
    added = [("a", Added(note="A cat.")), ("b", Added(system="Be kind.", note="A dog."))]
    with_system = with_added(order(("system", "You are."), *past, ("user", "who?")), added)
    assert [(one.role, one.text) for one in with_system.messages] == [
        ("system", "You are.\n\nBe kind."),
        *past,
        ("user", "A cat.\n\nA dog.\n\nwho?"),
    ]
    assert with_system.keep_from == 2
    without = with_added(order(*past, ("user", "who?")), added)
    assert [one.role for one in without.messages] == ["system", "user", "assistant", "user"]
    noted = [("a", "A cat."), ("b", "Be kind."), ("b", "A dog.")]
    assert [(one.plugin, one.text) for one in notes_of(added)] == noted


def test_a_night_over_what_is_left_of_it() -> None:
    records = [Told(id=id_, text=id_) for id_ in "abcd"]
    night = Sleep(records=records, nights={"a": 1, "b": 2}, resting=["b"], is_due=True, is_all=True)
    left = only(night, {"b", "d"})
    assert [one.id for one in left.records] == ["b", "d"]
    assert (left.nights, left.resting, left.is_due, left.is_all) == ({"b": 2}, ["b"], False, False)
    assert only(night, {"a"}).is_due


def test_declarations_are_checked_where_they_cross() -> None:
    bad = msgspec.msgpack.encode(
        [{"name": "n", "when": {"type": "daily", "at": "25:00"}, "method": "soul.sleep"}]
    )
    with pytest.raises(msgspec.ValidationError, match="matching regex"):
        msgspec.msgpack.decode(bad, type=list[Job])
