"""Where a frontend that speaks HTTP is found: a private file of the workspace, while it serves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from soul_client.errors import NotRunning
from soul_client.locate import LOCAL_RUN_DIR, is_alive, require_private
from soul_client.private_file import write_private
from soul_client.wire import WireStruct


class HttpFrontend(WireStruct, frozen=True, kw_only=True):
    """``url``: scheme, host and port. ``token``: the key it asks for, "" if it asks for none."""

    url: str
    token: str
    pid: int


@contextlib.contextmanager
def announced(workspace: Path, name: str, told: HttpFrontend) -> Iterator[None]:
    """Have a frontend found by its name in here."""
    path = _file(workspace, name)
    write_private(path, msgspec.json.encode(told))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def find(workspace: Path, name: str) -> HttpFrontend:
    """Return where a frontend serves.

    Raises:
        NotRunning: it does not, or not yet.
        UnsafeFile: the file belongs to, or is open to, somebody else.
    """
    path = _file(workspace, name)
    try:
        data = path.read_bytes()
        require_private(path)
        told = msgspec.json.decode(data, type=HttpFrontend)
    except FileNotFoundError as e:
        raise NotRunning(f"{name} does not serve ({path} does not exist)") from e
    except msgspec.MsgspecError as e:
        raise NotRunning(f"{path} does not say where {name} serves: {e}") from e
    if not is_alive(told.pid):
        raise NotRunning(f"{name} does not serve (process {told.pid} of {path} is gone)")
    return told


def _file(workspace: Path, name: str) -> Path:
    return workspace / LOCAL_RUN_DIR / f"{name}.json"
