"""Where the Model Lab is, and how a browser is let in: a file that only its owner can read.

The plugin ``soul_lab`` writes it when its server listens; ``soul lab`` reads it. The address it
opens holds a ticket, made of the token: it is good for a few minutes and once, since others may see
the command line of a browser.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from soul_client.locate import LOCAL_RUN_DIR, require_private
from soul_client.private_file import write_private

DOOR_NAME = "lab.json"
TICKET_S = 300
_TICKET = re.compile(r"(?P<expires>[0-9]{1,12})\.[0-9a-f]{16}\.[0-9a-f]{64}", re.ASCII)


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
    write_private(door_file(workspace), msgspec.json.encode(door))


def entrance(door: LabDoor, *, now_s: float) -> str:
    """Return the address that lets one browser in, for ``TICKET_S``."""
    return f"{door.url}?token={_ticket(door.token, int(now_s) + TICKET_S, secrets.token_hex(8))}"


def ticket_expiry(token: str, shown: str, *, now_s: float) -> float | None:
    """Return until when a ticket is good; None: it is none, or not any more."""
    match = _TICKET.fullmatch(shown)
    if match is None:
        return None
    expires_s = int(match["expires"])
    made = _ticket(token, expires_s, shown.split(".")[1])
    if not hmac.compare_digest(shown, made) or not now_s < expires_s <= now_s + TICKET_S:
        return None
    return float(expires_s)


def _ticket(token: str, expires_s: int, salt: str) -> str:
    seal = hmac.new(token.encode(), f"ticket {expires_s}.{salt}".encode(), hashlib.sha256)
    return f"{expires_s}.{salt}.{seal.hexdigest()}"
