"""Where the Model Lab is, and how a browser is let in: a file that only its owner can read.

The plugin ``soul_lab`` writes it when its server listens; ``soul lab`` reads it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from soul_client.locate import LOCAL_RUN_DIR, require_private

DOOR_NAME = "lab.json"


class LabDoor(Struct, frozen=True, kw_only=True):
    """``url`` of the page, ``pid`` of its server, and the ``token`` that opens it."""

    url: str
    token: str
    pid: int = 0


def door_file(workspace: Path) -> Path:
    """Return where the file is."""
    return workspace / LOCAL_RUN_DIR / DOOR_NAME


def read_door(workspace: Path) -> LabDoor | None:
    """Return what the server wrote last; None if it never did, or not so that it can be read.

    Raises:
        UnsafeFile: others can reach the file, so that the token is no secret.
    """
    path = door_file(workspace)
    try:
        require_private(path)
        return msgspec.json.decode(path.read_bytes(), type=LabDoor)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def write_door(workspace: Path, door: LabDoor) -> None:
    """Write the file anew, all of it or nothing."""
    path = door_file(workspace)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{DOOR_NAME}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(door))
    draft.replace(path)
