"""The key that clients of the API show: made once, kept in the workspace, for its owner only."""

from __future__ import annotations

import secrets
from pathlib import Path

from soul_client.locate import require_private
from soul_client.private_file import write_private

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
    write_private(path, f"{token}\n".encode())
    return token
