"""Soul files of the original engine, taken in and written, by a child process."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sould.config import Config
from sould.errors import SoulExists
from sould.soulfile.header import recognise
from sould.soulfile.home import SoulHome
from sould.soulfile.recognise import Kind
from sould.supervisor.children import run_child
from sould.supervisor.request import Request

CHILD_COMMAND = (sys.executable, "-m", "sould", "convert-soul")


class Converter:
    """``body_name`` says which body a soul of the original engine is taken in for."""

    def __init__(
        self,
        config: Config,
        body_name: Callable[[], str],
        child_command: Sequence[str] = CHILD_COMMAND,
    ) -> None:
        self._config = config
        self._body_name = body_name
        self._child_command = child_command

    @asynccontextmanager
    async def ours(self, request: Request, path: Path, name: str) -> AsyncIterator[Path]:
        """Yield ``path``, or for a soul of the original engine a file of our form, for as long.

        Raises:
            SouldError: there is no such file, or no body at hand has its sizes.
        """
        if await asyncio.to_thread(recognise, path) is not Kind.ORIGINAL:
            yield path
            return
        cache = self._config.cache_dir
        await asyncio.to_thread(cache.mkdir, parents=True, exist_ok=True)
        draft = cache / f"adopted-{secrets.token_hex(4)}.soul"
        called = ["--name", name] if name else []
        options = ["--body", self._body_name(), "--config", str(self._config.path), *called]
        try:
            await self._run(request, [*options, "--", str(path), str(draft)])
            yield draft
        finally:
            await asyncio.to_thread(draft.unlink, missing_ok=True)

    async def theirs(self, request: Request, home: SoulHome, target: Path, *, replace: bool) -> int:
        """Write the newest generation as the original engine reads it; return its size in bytes.

        Raises:
            SoulExists: there is a file, and it is not to be replaced.
            SoulMismatch: the original's bodies have no such souls.
            StorageError: it cannot be written; what was there still is.
        """
        if not replace and await asyncio.to_thread(os.path.lexists, target):
            raise SoulExists(f"{target} is there already", "choose another path, or replace it")
        newest = await asyncio.to_thread(home.require_newest)
        await self._run(request, ["--", str(newest.path), str(target)])
        return (await asyncio.to_thread(target.stat)).st_size

    async def _run(self, request: Request, argv: Sequence[str]) -> None:
        await request.race(run_child([*self._child_command, *argv], request.progress))
