"""One setting changed in config.yaml: everything else of the file stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from soul_client.config_edit import set_value
from soul_client.errors import ConfigInvalid
from sould import config as config_file
from sould.live import AT_ONCE, BETWEEN_TURNS, flat, may_change

DEFAULT = Path(__file__).parents[2] / "config.yaml"


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("memory", False, "memory: off                  # on | off."),
        ("chat.temperature", 0.75, "  temperature: 0.75          # 0: always"),
        ("chat.seed", 7, "  seed: 7                # a number"),
        ("chat.stop", ["a, b", "yes"], "  stop: ['a, b', 'yes']"),
        ("chat.system_prompt", "Be: kind", "  system_prompt: 'Be: kind'"),
        ("language", "ja", "language: ja              # auto"),
    ],
)
def test_one_line_of_the_default_file_is_another(
    tmp_path: Path, key: str, value: Any, line: str
) -> None:
    path = tmp_path / "config.yaml"
    before = DEFAULT.read_text("utf-8").splitlines()
    path.write_text(DEFAULT.read_text("utf-8"), "utf-8")
    assert set_value(path, key, value)
    after = path.read_text("utf-8").splitlines()
    [changed] = [new for old, new in zip(before, after, strict=True) if old != new]
    assert changed.startswith(line)
    assert flat(config_file.load(path).shown())[key] == value
    assert not set_value(path, key, value)


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("bit_ttt: 1", "memory", "bit_ttt: 1\nmemory: off\n"),
        ("", "chat.top_k", "\nchat:\n  top_k: off\n"),
        ("chat:   # later\n", "chat.top_k", "chat:\n  top_k: off   # later\n"),
        ("chat: {top_p: 1}  # x\n", "chat.top_k", "chat: {top_k: off, top_p: 1}  # x\n"),
        ("chat:\n  top_p: 1  # x\n", "chat.top_k", "chat:\n  top_k: off\n  top_p: 1  # x\n"),
        ("chat:\n  top_k: |\n    a\n\n  top_p: 1\n", "chat.top_k", None),
        ("memory:\r\nmodels: m\r\n", "memory", "memory: off\r\nmodels: m\r\n"),
    ],
)
def test_it_is_put_where_it_belongs(
    tmp_path: Path, text: str, key: str, expected: str | None
) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode())
    assert set_value(path, key, False)
    if expected is not None:
        assert path.read_bytes().decode() == expected
    assert flat(yaml.safe_load(path.read_bytes()))[key] is False


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("{bit_ttt: 1}", "language"),
        ("language: &l auto\nmodels: *l\n", "language"),
        ("chat: 3\n", "chat.top_k"),
        ("chat:\n  stop:\n  - a\n", "chat.stop"),
        ("- a\n", "language"),
        ("a: [\n", "language"),
    ],
)
def test_what_cannot_be_changed_in_place_stays(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigInvalid, match=r"config\.yaml"):
        set_value(path, key, "ja")
    assert path.read_text("utf-8") == text
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_check_refuses_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("chat:\n  top_k: 4  # mine\n", "utf-8")
    with pytest.raises(Exception, match=r"line 2: chat\.top_k is -1"):
        set_value(path, "chat.top_k", -1, check=lambda text: config_file.load(path, text))
    assert path.read_text("utf-8") == "chat:\n  top_k: 4  # mine\n"


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["language", "chat.system_prompt", "chat.stop", "soul.keep"]),
    st.text() | st.none() | st.integers() | st.lists(st.text(), max_size=3) | st.booleans(),
)
def test_whatever_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    path = tmp_path_factory.mktemp("set") / "config.yaml"
    path.write_text(DEFAULT.read_text("utf-8"), "utf-8")
    try:
        set_value(path, key, value)
    except ConfigInvalid:
        assert path.read_text("utf-8") == DEFAULT.read_text("utf-8")
        return
    read = yaml.safe_load(path.read_text("utf-8"))
    assert flat(read)[key] == value


def test_what_may_change_is_what_is_listed() -> None:
    keys = flat(config_file.load(DEFAULT).shown())
    assert {key for key in keys if key in AT_ONCE or key in BETWEEN_TURNS} <= set(
        filter(may_change, keys)
    )
    assert may_change("chat.top_p") and not may_change("body.name") and not may_change("soul.name")
