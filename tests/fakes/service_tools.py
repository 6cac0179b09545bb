"""The tools of a service manager: called in this process, or as programs on the path."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from soul_client.errors import ServiceFailed

_PROGRAM = """#!/bin/sh
printf '%s\\n' "{name} $*" >>{calls}
case "$*" in
{cases}
esac
"""


class FakeTools:
    """Notes each command; answers those with certain words in them, or fails (None)."""

    def __init__(self, answers: Mapping[str, str | None] | None = None) -> None:
        self.answers = dict(answers or {})
        self.calls: list[str] = []

    def __call__(self, command: Sequence[str]) -> str:
        """Run nothing."""
        line = " ".join(command)
        self.calls.append(line)
        for words, answer in self.answers.items():
            if words in line:
                if answer is None:
                    raise ServiceFailed(f"{line} failed with 1: no")
                return answer
        return ""


class ToolsOnPath:
    """Programs in a folder to put on the path; what they are called with is in ``calls()``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._calls = folder / "calls"
        folder.mkdir()

    def add(self, name: str, answers: Mapping[str, str]) -> None:
        """Make a program that answers what it is called with certain words in it; an answer that
        begins with "Failed" makes it fail.
        """
        cases = "\n".join(
            f"*{shlex.quote(words)}*) echo {shlex.quote(answer)}; "
            f"exit {int(answer.startswith('Failed'))};;"
            for words, answer in answers.items()
        )
        path = self.folder / name
        path.write_text(
            _PROGRAM.format(name=name, calls=shlex.quote(str(self._calls)), cases=cases)
        )
        path.chmod(0o700)

    def calls(self) -> list[str]:
        """Return the command lines so far."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []
