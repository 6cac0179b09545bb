"""The files of the lab's page: small, with no markup that its policy refuses, in two languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from soul_client.wire import RPC_METHODS, ErrorCode
from soul_lab.files import JOINED, PAGE

FILES = [path for path in sorted(PAGE.rglob("*")) if path.is_file()]
SCRIPTS = [path for path in FILES if path.suffix == ".js" and path.parent.name != "texts"]
KEY = re.compile(r"""(?<![hs]\()["'`]([a-z_]+(?:\.[a-z_]+)+(?:\.about)?)["'`]""")


def texts(language: str) -> dict[str, str]:
    """Return the texts of a language: what stands between the braces is JSON."""
    module = (PAGE / "texts" / f"{language}.js").read_text("utf-8")
    found: dict[str, str] = json.loads(module[module.index("{") : module.rindex("}") + 1])
    return found


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in FILES) <= 300_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    found = set(re.findall(r"https?://[^\s\"'`)]+", path.read_text("utf-8")))
    assert found <= {"http://www.w3.org/2000/svg"}


def test_no_markup_has_scripts_or_styles_in_it() -> None:
    index = (PAGE / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", index)
    for path in SCRIPTS:
        source = path.read_text("utf-8")
        assert not re.search(r"innerHTML|insertAdjacentHTML|\beval\(|new Function", source), path


def test_the_index_names_what_has_all_others_in_it_so_that_none_waits_for_another() -> None:
    index = (PAGE / "index.html").read_text("utf-8")
    named = set(re.findall(r'(?:href|src)="/([^"]+)"', index))
    assert named == {*JOINED, "icon.svg"}


def test_both_languages_say_the_same_things() -> None:
    english, japanese = texts("en"), texts("ja")
    assert english.keys() == japanese.keys()
    for key, text in english.items():
        names = set(re.findall(r"\{(\w+)\}", text))
        assert set(re.findall(r"\{(\w+)\}", japanese[key])) <= names, key
        assert japanese[key].strip(), key


def test_every_text_that_is_asked_for_is_there() -> None:
    known = texts("en")
    sections = {key.partition(".")[0] for key in known} - {"soul", "lab"}  # methods have these, too
    for path in SCRIPTS:
        for key in KEY.findall(path.read_text("utf-8")):
            is_text = key.partition(".")[0] in sections and key not in RPC_METHODS
            assert not is_text or key in known or f"set.{key}" in known, (path.name, key)


def test_every_text_is_asked_for() -> None:
    sources = "".join(path.read_text("utf-8") for path in SCRIPTS)
    made = ("error.", "stage.", "state.", "why.", "set.", "page.", "night.", "plugin.", "log.")
    for key in texts("en"):
        head = key.rpartition(".")[0] + "."
        assert f'"{key}"' in sources or head.startswith(made) or f"`{head}$" in sources, key


def test_errors_have_words() -> None:
    known = texts("en")
    unseen = {ErrorCode.UNKNOWN_METHOD, ErrorCode.PROTOCOL_MISMATCH, ErrorCode.CANCELLED}
    assert [code for code in ErrorCode if code not in unseen and f"error.{code}" not in known] == []
