"""The key that clients of the API show: made once, kept in the workspace, for its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from soul_client.locate import require_private

PREFIX = "sk-"
"""Some apps take no key for one of OpenAI's kind without it."""


def token_file(workspace: Path) -> Path:
    """Return where it is kept; without the file another one is made at the next start."""
    return workspace / "keys" / "soul_openai.token"


def read_or_make_token(workspace: Path) -> str:
    """Return the key, made if there is none.

    Raises:
        UnsafeFile: others can reach the file.
    """
    path = token_file(workspace)
    if path.exists():
        require_private(path)
        if token := path.read_text("utf-8").strip():
            return token
    token = PREFIX + secrets.token_urlsafe(32)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{token}\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return token
