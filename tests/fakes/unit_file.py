"""Read a unit file as systemd does: its words, by systemd.syntax(7) and systemd.service(5)."""

from __future__ import annotations

import configparser
from pathlib import Path


def read_unit(data: bytes) -> configparser.ConfigParser:
    """Return the sections of a unit; a key that is given twice is an error."""
    unit = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=True
    )
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(data.decode())
    return unit


def words_of(line: str) -> list[str]:
    """Return the words of a value: quotes taken off, backslashes and specifiers read."""
    words, at = [], 0
    while at < len(line):
        if line[at] == " ":
            at += 1
            continue
        assert line[at] == '"', line[at:]
        word, at = "", at + 1
        while line[at] != '"':
            if line[at] == "\\":
                at += 1
                assert line[at] in '"\\'
            elif line[at] == "%":
                at += 1
                assert line[at] == "%", "a specifier"
            word += line[at]
            at += 1
        words.append(word)
        at += 1
        assert at == len(line) or line[at] == " "
    return words


def command_of(unit: configparser.ConfigParser) -> list[str]:
    """Return what a unit starts; variables are put in unless it begins with a colon."""
    line = unit["Service"]["ExecStart"]
    words = words_of(line.removeprefix(":"))
    assert line.startswith(":") or not any("$" in word for word in words)
    assert Path(words[0]).is_absolute() and not set("\"'\\") & set(words[0])
    return words


def environment_of(unit: configparser.ConfigParser) -> dict[str, str]:
    """Return the variables a unit sets."""
    return dict(word.split("=", 1) for word in words_of(unit["Service"]["Environment"]))
