"""config.yaml: the file and its structs say the same; every fault is named."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest
import yaml

from sould import config
from sould.errors import ConfigError

REPO = Path(__file__).parents[2]


def load(folder: Path, text: str) -> config.Config:
    path = folder / "config.yaml"
    path.write_text(textwrap.dedent(text))
    return config.load(path)


def test_shipped_file_shows_every_key_with_its_default() -> None:
    shipped = yaml.safe_load((REPO / "config.yaml").read_text())
    defaults = msgspec.to_builtins(config.Values())
    assert shipped["plugins"].pop("enabled") == ["soul_nightly"]
    assert defaults["plugins"].pop("enabled") == []
    assert shipped == defaults
    assert list(shipped["body"]) == list(config.BodyConfig.__struct_fields__)


def test_empty_file_and_empty_section_are_all_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "").body == config.BodyConfig()
    assert load(tmp_path, "body:\nchat:\n").chat == config.ChatConfig()


def test_paths_count_from_the_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("workspace: here/../w\nmodels: ~/models\n")
    found = config.load(Path("config.yaml"))
    monkeypatch.chdir("/")
    assert found.path == tmp_path / "config.yaml"
    assert found.workspace == (tmp_path / "w").resolve()
    assert found.models == tmp_path / "home" / "models"
    assert found.runtime_dir.is_absolute()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "body:\n  paralel: 3",
            "line 2: unknown key body.paralel (value 3); did you mean body.par",
        ),
        ("temperature: 3", "line 1: unknown key temperature (value 3); did you mean chat.temperat"),
        (
            "body:\n  workspace: x",
            "unknown key body.workspace (value 'x'); workspace belongs at the",
        ),
        ("xyzzy: 1", "unknown key xyzzy (value 1); valid at the top are bit_ttt, language"),
        ("body:\n  parallel: x", "line 2: body.parallel is 'x': Expected `int`, got `str`"),
        ("body:\n  parallel: 0", "line 2: body.parallel is 0: Expected `int` >= 1"),
        (
            "body:\n  dtype: f32",
            "body.dtype is 'f32': expected one of auto, float32, bfloat16, flo",
        ),
        (
            "body:\n\n  memory_budget: 6XB",
            "line 3: body.memory_budget is '6XB': expected a size such",
        ),
        ("body:\n  name: a\n  name: b", "line 3: body.name is given twice, first on line 2"),
        ("chat:\n  stop: [a, 3]", "line 2: chat.stop[1] is 3: Expected `str`, got `int`"),
        ("chat:\n  temperature: -1", "line 2: chat.temperature is -1: Expected `float` >= 0.0"),
        ("chat: 3", "line 1: chat is 3: Expected `object`, got `int`"),
        ("wire:\n  listen: tcp://x", "wire.listen is 'tcp://x': expected ipc, or tcp://ADDR"),
        (
            "body:\n  device: gpu",
            "line 2: body.device is 'gpu': expected auto, cpu, cuda or cuda:N",
        ),
        (f"caht: {list(range(99))}", "20, 21, 2…); did you mean chat?"),
        ("bit_ttt: 2", "line 1: bit_ttt is 2: expected one of 1"),
        ("workspace: ''", "line 1: workspace is ''"),
        ("- a", "holds a list, expected keys"),
        ("a: 1\nb: [", "line 3, column 1: not valid YAML: "),
        ("? [a]\n: b", "not valid YAML"),
        ("body: !!python/object/apply:os.getpid []", "not valid YAML"),
    ],
)
def test_fault_names_file_line_key_value_and_way_out(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(tmp_path / "config.yaml") in str(caught.value)
    assert expected in str(caught.value)


def test_every_pattern_has_words() -> None:
    for name, section in get_type_hints(config.Values).items():
        if isinstance(section, type) and issubclass(section, msgspec.Struct):
            for field, info in get_type_hints(section, include_extras=True).items():
                if any(getattr(meta, "pattern", None) for meta in get_args(info)[1:]):
                    assert f"{name}.{field}" in config._FORMS


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        config.load(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_bytes(b"language: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        config.load(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("auto", None),
        (123, 123),
        ("6GB", 6_000_000_000),
        ("1.5 GiB", 3 * 2**29),
        ("512mb", 512_000_000),
        ("2kib", 2048),
        ("7B", 7),
    ],
)
def test_sizes(text: int | str, size_bytes: int | None) -> None:
    assert config.parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1e9", "6 gigabytes", "0x10B"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        config.parse_size(text)


def test_sampling_and_limits_come_out_whole(tmp_path: Path) -> None:
    found = load(tmp_path, "chat: {top_k: 7, stop: [END]}\nwire: {max_queue: 3}")
    assert (found.chat.sampling().top_k, found.chat.sampling().stop) == (7, ["END"])
    assert found.wire.limits().max_queue == 3


def test_shown_config_is_plain_and_loads_again(tmp_path: Path) -> None:
    first = load(tmp_path, "chat: {seed: 5}")
    again = load(tmp_path, yaml.safe_dump(first.shown()))
    assert again == first
