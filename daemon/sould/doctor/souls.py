"""The soul in use: its newest state, read to the last bit. Its journal is left alone."""

from __future__ import annotations

from collections.abc import Iterator

from soul_client.findings import Finding, ok, problem, warning
from sould.config import Config
from sould.errors import SouldError
from sould.soulfile.home import SoulFolder
from sould.soulfile.record import verify

FOLDER = "souls"


def soul(config: Config) -> Iterator[Finding]:
    """Say whether the soul in use can be read, and of damaged states that it was passed over."""
    folder = SoulFolder(config.workspace / FOLDER)
    try:
        name = folder.active() or config.soul.name
        if name not in folder.names():
            yield ok("soul", "soul.begins", name=name)
            return
        newest, notes = folder.home(name).newest()
    except SouldError as e:
        yield problem("soul", "soul.unread", error=e.message)
        return
    if newest is None and not notes:
        yield ok("soul", "soul.begins", name=name)
        return
    if notes:
        level = problem if newest is None else warning
        said = "soul.lost" if newest is None else "soul.passed_over"
        yield level("soul", said, name=name, error=notes[0])
    if newest is None or newest.meta is None:
        return
    if faults := verify(newest.path).faults:
        yield problem("soul", "soul.unsound", name=name, number=newest.number, error=faults[0])
        return
    yield ok("soul", "soul.good", name=name, number=newest.number, learned=newest.meta.level)
