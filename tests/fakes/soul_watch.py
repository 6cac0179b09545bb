"""What tests ask again and again of the soul in use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soul_client.wire import SoulStatus, Status
from tests.fakes.daemon_process import Peer


def soul(holds: Callable[[SoulStatus], bool]) -> Callable[[Status], bool]:
    """Make a condition on the soul one on the status."""
    return lambda status: status.soul is not None and holds(status.soul)


def soul_of(peer: Peer) -> SoulStatus:
    """Ask for the soul in use."""
    found = peer.status().soul
    assert found is not None
    return found


def await_soul(peer: Peer, holds: Callable[[SoulStatus], bool]) -> SoulStatus:
    """Wait until the soul in use fulfils a condition."""
    found = peer.await_status(soul(holds)).soul
    assert found is not None
    return found


def is_done(one: SoulStatus) -> bool:
    """Tell whether all that was said is learned."""
    return one.worn and one.pending == 0


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def learned(path: Path) -> list[str]:
    """Return the texts in a file that the fake engine notes its imprints in."""
    return [line["text"] for line in lines(path)]
