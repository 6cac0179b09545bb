"""The lists of questions and prompts that lie in this folder."""

from __future__ import annotations

import re
from importlib import resources

_HEADING = re.compile(r"# (.+)")


def sections(file: str) -> dict[str, list[str]]:
    """Return the lines of a file of this folder, by the heading they stand under."""
    found: dict[str, list[str]] = {}
    for line in resources.files(__package__).joinpath(file).read_text("utf-8").splitlines():
        if match := _HEADING.fullmatch(line):
            lines = found.setdefault(match[1], [])
        elif line.strip():
            lines.append(line.strip())
    return found
