"""Folders of souls for tests: grown, spoilt, asked."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

from sould.soulfile.generations import GenerationFile
from sould.soulfile.history import SoulHome
from sould.soulfile.journal import Journal
from sould.soulfile.meta import SoulMeta
from sould.soulfile.opening import save_generation
from tests.fakes.souls import make_soul

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=9)))


def grow(home: SoulHome, count: int = 1) -> list[SoulMeta]:
    """Save generations that each grew from the one before; their level is their number."""
    newest, _ = home.newest()
    parent = newest.meta.sha256 if newest and newest.meta else ""
    metas: list[SoulMeta] = []
    for _ in range(count):
        number, _ = home.next_path()
        soul = make_soul(seed=number, level=number, parent=parent)
        metas.append(save_generation(home.folder, soul)[1])
        parent = metas[-1].sha256
    return metas


def spoil(path: Path) -> None:
    """Flip a bit of the last weight."""
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


def newest(home: SoulHome) -> GenerationFile:
    found, notes = home.newest()
    assert found is not None and notes == []
    return found


def level(found: GenerationFile) -> int:
    assert found.meta is not None
    return found.meta.level


def after(home: SoulHome) -> str:
    """Return the seal that an empty journal follows."""
    found = Journal(home.journal).read()
    assert found is not None and found.entry is None
    return found.after


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
