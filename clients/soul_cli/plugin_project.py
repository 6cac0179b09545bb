"""Write the project of a new plugin: complete, with a test that passes."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from pathlib import Path
from string import Template

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "{name}/__init__.py": "plugin.py",
    "tests/test_{name}.py": "test_plugin.py",
}
"""Where each file of ``plugin_template/`` goes."""


def is_name(name: str) -> bool:
    """Tell whether a plugin may be called so: it is a module of that name."""
    is_taken = keyword.iskeyword(name) or name in sys.stdlib_module_names
    return NAME.fullmatch(name) is not None and not is_taken


def write_project(folder: Path, name: str) -> list[Path]:
    """Write the project into ``folder``, which is made; return its files.

    Raises:
        FileExistsError: the folder is there.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True)
    templates = resources.files("soul_cli") / "plugin_template"
    written: list[Path] = []
    for place, source in FILES.items():
        path = folder / place.format(name=name)
        path.parent.mkdir(exist_ok=True)
        text = (templates / f"{source}.txt").read_text("utf-8")
        path.write_text(Template(text).substitute(name=name), "utf-8")
        written.append(path)
    return written
