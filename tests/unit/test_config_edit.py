"""Enabling a plugin changes one list of config.yaml, and not one character beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from soul_cli.config_edit import enabled_in, set_enabled
from soul_client.errors import ConfigInvalid

CONFIGS = {
    "no section": "bit_ttt: 1   # ours\n",
    "nothing at all": "",
    "no newline at the end": "bit_ttt: 1",
    "empty section": "plugins:   # later\nbody: {name: x}  # mine\n",
    "a section that is null": "plugins: null  # later\n",
    "empty flow section": "plugins: {}  # later\n",
    "flow section": "plugins: {time_budget_ms: 5}  # later\n",
    "section without the list": "plugins:\n    # how long\n    time_budget_ms: 5  # short\n",
    "empty list": "plugins:\n  enabled: []   # names\n  time_budget_ms: 5\n",
    "a list that is null": "plugins:\n  enabled:\n  time_budget_ms: 5\n",
    "a list that is null, with a comment": "plugins:\n  enabled:   # names\n",
    "flow list": "plugins:\n  enabled: [a,  'b' ] # names\nlog: {level: info}\n",
    "flow list over lines": "plugins:\n  enabled: [\n    a,\n  ]  # names\n\n# end\n",
    "block list": (
        "plugins:\n  # which\n  enabled:\n    - a  # the first\n    # then\n    - b\n"
        "  time_budget_ms: 5  # short\n"
    ),
    "block list at its key": "plugins:\n  enabled:\n  - a\n\n# end\nlog: {level: info}\n",
    "block list at the end": "plugins:\n  enabled:\n    - a",
    "with carriage returns": "plugins:\r\n  enabled:\r\n    - a  # x\r\nmodels: m\r\n",
    "text before": "# ソウルの設定\nplugins: {enabled: [a]}\n",
}


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_enable_and_disable_change_nothing_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(CONFIGS[name].encode())
    before = yaml.safe_load(CONFIGS[name]) or {}
    names = enabled_in(before)
    assert set_enabled(path, "soul_new", enabled=True)
    text = path.read_bytes().decode()
    after = yaml.safe_load(text)
    assert enabled_in(after) == [*names, "soul_new"]
    assert {k: v for k, v in after.items() if k != "plugins"} == {
        k: v for k, v in before.items() if k != "plugins"
    }
    assert comments(text) == comments(CONFIGS[name])
    assert not set_enabled(path, "soul_new", enabled=True)
    assert set_enabled(path, "soul_new", enabled=False)
    assert enabled_in(yaml.safe_load(path.read_bytes())) == names
    assert comments(path.read_bytes().decode()) == comments(CONFIGS[name])
    assert not set_enabled(path, "soul_new", enabled=False)


def comments(text: str) -> list[str]:
    return [line.partition("#")[2].strip() for line in text.splitlines() if "#" in line]


def test_only_the_line_of_the_list_is_another(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    default = (Path(__file__).parents[2] / "config.yaml").read_text("utf-8")
    path.write_text(default, "utf-8")
    set_enabled(path, "soul_new", enabled=True)
    now = path.read_text("utf-8").splitlines()
    assert [
        line for line in default.splitlines() if line not in now and "enabled:" not in line
    ] == []


def test_disabled_item_goes_with_its_line_and_others_keep_their_comments(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIGS["block list"], "utf-8")
    assert set_enabled(path, "b", enabled=False)
    assert path.read_text("utf-8") == CONFIGS["block list"].replace("    - b\n", "")
    assert set_enabled(path, "a", enabled=False)
    assert enabled_in(yaml.safe_load(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("name", ["yes", "null", "12", "a: b", "it's", "#x", "- a"])
def test_name_that_yaml_would_read_as_something_else_is_quoted(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("plugins: {enabled: [a]}\n", "utf-8")
    assert set_enabled(path, name, enabled=True)
    assert yaml.safe_load(path.read_text("utf-8")) == {"plugins": {"enabled": ["a", name]}}


@pytest.mark.parametrize(
    "text",
    [
        "plugins: &p {enabled: [a]}\nother: *p\n",
        "list: &l [a]\nplugins: {enabled: *l}\n",
        "plugins: {enabled: [a]\n",
        "- a\n",
        "plugins: 3\n",
    ],
)
def test_what_cannot_be_changed_in_place_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigInvalid, match=r"config\.yaml"):
        set_enabled(path, "soul_new", enabled=True)
    assert path.read_text("utf-8") == text
    assert list(tmp_path.iterdir()) == [path]


def test_mode_and_link_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "real.yaml", tmp_path / "config.yaml"
    path.write_text("plugins: {enabled: []}\n", "utf-8")
    path.chmod(0o640)
    link.symlink_to(path)
    set_enabled(link, "a", enabled=True)
    assert link.is_symlink() and path.stat().st_mode & 0o777 == 0o640
    assert enabled_in(yaml.safe_load(path.read_text("utf-8"))) == ["a"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12), st.sampled_from(sorted(CONFIGS))
)
def test_any_order_of_changes_ends_where_it_should(
    tmp_path_factory: pytest.TempPathFactory, toggled: list[str], name: str
) -> None:
    path = tmp_path_factory.mktemp("edit") / "config.yaml"
    path.write_bytes(CONFIGS[name].encode())
    expected = enabled_in(yaml.safe_load(CONFIGS[name]) or {})
    for plugin in toggled:
        enabled = plugin not in expected
        set_enabled(path, plugin, enabled=enabled)
        expected = [*expected, plugin] if enabled else [n for n in expected if n != plugin]
    assert enabled_in(yaml.safe_load(path.read_bytes()) or {}) == expected
