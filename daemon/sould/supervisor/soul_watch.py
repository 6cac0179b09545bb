"""The files of the soul in use under watch: whether somebody else changes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

from sould.errors import SouldError
from sould.soulfile.generations import list_files
from sould.supervisor.looker import Looker
from sould.supervisor.notices import Notices
from sould.supervisor.wardrobe import Wardrobe

log = logging.getLogger(__name__)

SETTLE_S = 3.0
"""How long files must stay as they are; what we write ourselves is taken note of before."""

Files = tuple[tuple[str, int, int], ...]
"""Of each file in the folder of a soul: its name, bytes and time of writing (ns)."""
Verdict = Literal["ours", "foreign", "mended", "nothing"]


class SoulFiles:
    """Decides, from one look after the other, whose doing the files of a soul are. Pure."""

    def __init__(self) -> None:
        self._name = ""
        self._files: Files | None = None
        self._since_s = 0.0
        self._tried: Files | None = None

    def handle(
        self, name: str, files: Files, *, worn: int | None, newest: int, now_s: float
    ) -> tuple[Verdict, float | None]:
        """Return what the files are, and in how many seconds to look again, None if at leisure.

        ``worn``: the generation that is worn, None if none is; ``newest``: the newest there.
        "foreign": the newest is not the one that is worn. "mended": the soul is not worn, and
        something has changed since that was tried.
        """
        if name != self._name:
            self._name, self._files, self._tried = name, None, files
        if files != self._files:
            self._files, self._since_s = files, now_s
        if worn == newest:
            self._tried = None
            return "ours", None
        if worn is None and self._tried is None:
            self._tried = files
        if worn is None and files == self._tried:
            return "nothing", None
        if (wait_s := self._since_s + SETTLE_S - now_s) > 0:
            return "nothing", wait_s
        if worn is None:
            self._tried = files
            return "mended", None
        return "foreign", SETTLE_S


class SoulWatch:
    """The edge of ``SoulFiles``. ``take_up`` puts the soul on again, or reads what there is."""

    def __init__(
        self, folder: Path, *, wardrobe: Wardrobe, take_up: Callable[[], Awaitable[None]]
    ) -> None:
        self._folder = folder
        self._wardrobe = wardrobe
        self._take_up = take_up
        self._files = SoulFiles()
        self._loop = asyncio.get_running_loop()
        self._looker = Looker(self._look)

    def watch(self, notices: Notices) -> None:
        """Begin. Blocking: call it on a thread."""
        is_noticed = notices.watch(self._folder, self._noticed, recursive=True)
        self._loop.call_soon_threadsafe(self._looker.begin, is_noticed)

    def close(self) -> None:
        """Stop."""
        self._looker.close()

    def _noticed(self, path: str) -> None:
        if Path(path).is_relative_to(self._folder / self._wardrobe.name):
            self._looker.notice()

    async def _look(self) -> float | None:
        name = self._wardrobe.name
        files, newest = await asyncio.to_thread(_files_of, self._folder / name)
        worn = self._wardrobe.worn_generation
        verdict, wait_s = self._files.handle(
            name, files, worn=worn, newest=newest, now_s=self._loop.time()
        )
        if name != self._wardrobe.name or worn != self._wardrobe.worn_generation:
            return SETTLE_S
        if verdict == "ours":
            self._wardrobe.note_files("")
        elif verdict == "foreign":
            self._wardrobe.note_files(_foreign(name, worn, newest))
        elif verdict == "mended":
            log.info("the files of soul %s have changed: it is taken up again", name)
            await self._take_up()
        return wait_s


def _foreign(name: str, worn: int | None, newest: int) -> str:
    there = f"generation {newest} is the newest there" if newest else "there is no generation"
    return (
        f"another program has changed its files: {there}, {worn} is worn; "
        f"see 'soul history'; 'soul use {name}' takes up the newest"
    )


def _files_of(folder: Path) -> tuple[Files, int]:
    """Return the files of a soul, and the number of its newest generation, 0 without one."""
    try:
        stats = sorted((path.name, path.stat()) for path in folder.iterdir())
        newest = next((number for number, _ in list_files(folder)), 0)
    except (OSError, SouldError) as e:
        log.debug("%s cannot be looked at: %s", folder, e)
        return (), 0
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats), newest
