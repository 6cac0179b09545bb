"""Tell the names of souls from the paths of their files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soul_client.client import Client

SUFFIX = ".soul"
BARE = "-"
"""What stands for the bare body where a soul is named."""


def is_path(text: str) -> bool:
    """Tell whether a text can only be the path of a file: a slash, or the suffix."""
    return text.endswith(SUFFIX) or "/" in text or os.sep in text


def absolute(path: str) -> str:
    """Return a path as the daemon needs it: it has a working directory of its own."""
    return str(Path(path).expanduser().absolute())


def source_of(client: Client, text: str) -> str:
    """Return what to load: a path made absolute, or a name as it is.

    A plain word is the path of a file that has this name, unless a soul has it too.
    """
    if is_path(text):
        return absolute(text)
    if Path(text).is_file() and all(one.name != text for one in client.souls().souls):
        return absolute(text)
    return text


def split_export(words: list[str]) -> tuple[str, str]:
    """Tell the name and the file among the arguments of an export; "" is what is missing."""
    if len(words) == 1:
        return ("", words[0]) if is_path(words[0]) else (words[0], "")
    name, file = words or ("", "")
    return name, file


def export_path(file: str, name: str) -> str:
    """Return the absolute path to export to: NAME.soul where only a folder, or nothing, is said."""
    if not file or Path(file).expanduser().is_dir():
        return absolute(str(Path(file) / f"{name}{SUFFIX}"))
    return absolute(file)


def compared(a: str, b: str, in_use: str) -> tuple[str, str]:
    """Return the two souls to compare, "" for the bare body.

    Without a second one it is the soul in use; where that is the first, the bare body is
    compared with it.
    """
    if not b:
        return ("", in_use) if a == in_use else (_unless_bare(a), in_use)
    return _unless_bare(a), _unless_bare(b)


def _unless_bare(name: str) -> str:
    return "" if name == BARE else name
