"""The texts: both languages complete, every key used, every used key there."""

from __future__ import annotations

import re
import string
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

from soul_cli.chat.commands import COMMANDS
from soul_cli.exits import Exit
from soul_cli.settings import Settings, from_environment
from soul_cli.texts import LANGUAGES, PARTS, Texts, table
from soul_client.wire import ErrorCode, UnreadReason

SOURCES = [
    path.read_text("utf-8")
    for path in (Path(__file__).parents[2] / "clients" / "soul_cli").rglob("*.py")
    if not path.name.startswith("texts")
]
FAMILIES = {
    "error": [code.value for code in ErrorCode],
    "exit": [code.name for code in Exit],
    "chat.help": list(COMMANDS),
    "chat.finish": ["length", "cancelled", "deadline"],
    "role": ["system", "user", "assistant"],
    "stage": [
        *("queued", "waiting", "loading", "prefill", "downloading", "checking", "placing"),
        *("preparing", "gathering", "writing", "dreaming", "examining"),
        *("tokenizer", "tokens", "training"),
    ],
    "job.waits": ["nothing", "time", "idle", "mains", "retry"],
    "sleep": [
        *("kept", "rolled_back", "nothing", "before", "after", "failed", "learned", "replaced"),
        *("read_before", "read_after"),
    ],
    "feed.why": list(get_args(UnreadReason)),
}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys() -> None:
    english, japanese = (table(language) for language in ("en", "ja"))
    assert english.keys() == japanese.keys()
    assert all(english.values()) and all(japanese.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_takes_the_place_of_another(language: str) -> None:
    parts = [import_module(f"soul_cli.{part}_{language}").TEXTS for part in PARTS]
    assert sum(map(len, parts)) == len(table(language))


def test_both_languages_have_the_same_placeholders() -> None:
    english, japanese = (table(language) for language in ("en", "ja"))
    assert {key: placeholders(text) for key, text in english.items()} == {
        key: placeholders(text) for key, text in japanese.items()
    }


def test_japanese_is_not_english() -> None:
    same = {key for key, text in table("ja").items() if text == table("en")[key]}
    assert same == {"pull.done"}  # nothing but values


def test_every_key_that_is_used_is_there() -> None:
    used = {key for text in SOURCES for key in re.findall(r'texts(?:\.get)?\(\s*"(\w[^"]*)"', text)}
    used |= {f"{family}.{name}" for family, names in FAMILIES.items() for name in names}
    assert len(used) > 100
    assert used <= table("en").keys()


def test_no_key_is_left_over() -> None:
    literals = {key for text in SOURCES for key in re.findall(r'"([\w.]+)"', text)}
    families = tuple(
        f"{family}." for text in SOURCES for family in re.findall(r'f["\']([\w.]+)\.\{', text)
    )
    unused = {
        key
        for key in table("en")
        if key not in literals and not key.startswith((*families, "command"))
    }
    assert unused == set()


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "ja"}, "ja"),
        ({"LANG": "", "LC_ALL": ""}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_of_the_environment(environment: dict[str, str], language: str) -> None:
    assert from_environment(environment) == language


def test_the_language_of_the_config_beats_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    config = tmp_path / "config.yaml"
    config.write_text("bit_ttt: 1\nlanguage: ja\n", "utf-8")
    assert Settings(config=str(config)).texts.language == "ja"
    assert Settings(config=str(config), language="en").texts.language == "en"
    config.write_text("bit_ttt: 1\nlanguage: auto\n", "utf-8")
    assert Settings(config=str(config)).texts.language == "en"


def test_a_broken_config_still_has_a_language(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("language: [", "utf-8")
    assert Settings(config=str(config)).texts.language in LANGUAGES


def test_a_text_with_values() -> None:
    assert Texts("en")("stage.queued", position=3) == "waiting, 3 before"
    assert Texts("ja").get("no.such.key") == ""
