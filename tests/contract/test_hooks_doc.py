"""plugins/HOOKS.md says what sould.plugin is, hook by hook, and its examples run."""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import sould.plugin
from sould.plugin import Body, Event, Home, Hooks, Night, Report, SoulFile, Told, Turn
from sould.pluginhost.loading import load, make_manager
from sould.pluginhost.messages import Wanted
from sould.pluginhost.table import HOOKS, QUICK, RESULTS

DOC = (Path(__file__).parents[2] / "plugins" / "HOOKS.md").read_text("utf-8")
NAMES = [name for name in vars(Hooks) if not name.startswith("_")]
ROWS = ("called", "time", "returns", "on failure")
NOW = "2026-03-04T05:06:07+09:00"
TURN = Turn(session="s", ts=NOW, soul="mika", body="tiny", text="which day is it?", reply="a day")


def given(folder: Path) -> dict[str, Any]:
    """Return a value for every argument that a hook may take."""
    return {
        "home": Home(
            config=str(folder / "config.yaml"),
            workspace=str(folder),
            language="en",
            version="1",
            daemon_id="d",
        ),
        "turn": TURN,
        "event": Event(name="soul", ts=NOW, data={"problem": "lost"}),
        "body": Body(name="tiny", fingerprint="f"),
        "night": Night(soul="mika", began=NOW),
        "told": [Told(id="1u", text="a"), Told(id="2u", text="b", is_resting=True)],
        "report": Report(soul="mika", began=NOW, outcome="kept", why="", facts=5, recalled=1),
        "soul": SoulFile(path="/x", name="mika", body="f", body_name="tiny", level=0),
    }


RETURNED: dict[str, Any] = {
    "before_turn": sould.plugin.Added(note="Today is 2026-03-04."),
    "memory_write_policy": True,
    "select_replay": ["1u"],
    "make_dreams": [
        sould.plugin.Dream(id="1u", question="Which letter did I tell you?", answer="a")
    ],
    "accept_sleep": "only 1 of 5 facts were recalled",
    "vet_soul": "it has been nowhere",
}
"""What the examples return for ``given``; others None, or what they declare."""


def section(name: str) -> tuple[str, str]:
    """Return the arguments in a hook's heading, and the text below it."""
    match = re.search(rf"^### `{name}\((.*?)\)`$(.*?)(?=^##|\Z)", DOC, re.MULTILINE | re.DOTALL)
    assert match, f"HOOKS.md has no hook {name}"
    return match[1], match[2]


def rows(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\| ([\w ]+) \| (.*?) \|$", text, re.MULTILINE))


def example(name: str) -> str:
    (code,) = re.findall(r"^```python\n(.*?)^```$", section(name)[1], re.MULTILINE | re.DOTALL)
    return str(code)


@pytest.fixture
def module(request: pytest.FixtureRequest) -> Iterator[types.ModuleType]:
    """The example of a hook, as a module that can be imported."""
    name = f"example_{request.param}"
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(example(request.param), name, "exec"), vars(module))  # noqa: S102
    yield module
    del sys.modules[name]


def test_the_hooks_are_those_of_the_host() -> None:
    assert set(NAMES) == set(HOOKS) - {"loading"}


def test_no_hook_that_is_not_there() -> None:
    assert set(re.findall(r"^### `(\w+)\(", DOC, re.MULTILINE)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_hook_with_its_arguments_and_what_there_is_to_know(name: str) -> None:
    arguments, text = section(name)
    assert arguments.split(", ") == list(inspect.signature(getattr(Hooks, name)).parameters)[1:]
    table = rows(text)
    assert tuple(table) == ROWS and all(table.values())
    assert table["time"].startswith("quick" if name in QUICK else "patient")
    assert (table["returns"] == "nothing") is (name not in RESULTS)


@pytest.mark.parametrize(
    ("module", "name"), [(n, n) for n in NAMES], indirect=["module"], ids=NAMES
)
def test_every_example_is_a_plugin_and_does_what_it_says(
    module: types.ModuleType, name: str, tmp_path: Path
) -> None:
    plugin = load(Wanted(name="example", target=module.__name__), make_manager())
    assert list(plugin.hooks) == [name]
    function, arguments = plugin.hooks[name]
    values = {**given(tmp_path), "settings": plugin.settings}
    returned = function(*[values[one] for one in arguments])
    if name.startswith("register_"):
        assert (
            returned and msgspec.convert(msgspec.to_builtins(returned), RESULTS[name]) == returned
        )
    else:
        assert returned == RETURNED.get(name)


def test_every_type_with_every_field() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|$", DOC, re.MULTILINE))
    types_ = {name: getattr(sould.plugin, name) for name in sould.plugin.__all__}
    structs = {
        name: set(one.__struct_fields__)
        for name, one in types_.items()
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and name != "Settings"
    }
    fields = {name: set(re.findall(r"`([a-z_]+)`", text)) for name, text in table.items()}
    assert fields == structs
