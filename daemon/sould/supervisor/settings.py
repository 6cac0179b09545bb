"""``config.show`` and ``config.set``: what is in force, and one setting changed in the file."""

from __future__ import annotations

import asyncio
import difflib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from soul_client.config_edit import set_value
from soul_client.errors import ConfigInvalid
from soul_client.wire import ConfigSet, ConfigShown, Empty
from sould import config as config_file
from sould.config import Config
from sould.errors import BadRequest, StorageError
from sould.live import flat, may_change
from sould.supervisor.request import Request

log = logging.getLogger(__name__)


class Settings:
    """The handlers. ``take_up`` lets what the file says count, between two turns if need be."""

    def __init__(self, config: Config, take_up: Callable[[], Awaitable[None]]) -> None:
        self._config = config
        self._take_up = take_up
        self._alone = asyncio.Lock()

    async def show(self, request: Request, params: Empty) -> ConfigShown:
        """Return what is in force."""
        request.ack()
        return self._shown()

    async def set(self, request: Request, params: ConfigSet) -> ConfigShown:
        """Change one setting in the file, and return what is in force then.

        Raises:
            BadRequest, ConfigError: there is no such setting, it may not change live, or not be
                that; the file is as it was.
            StorageError: it cannot be written.
        """
        request.ack()
        self._check(params.key)
        async with self._alone:
            await asyncio.to_thread(self._write, params.key, params.value)
            taking_up = asyncio.ensure_future(self._take_up())
            await request.race(asyncio.shield(taking_up))  # stopped, it counts a while later
        return self._shown()

    def _check(self, key: str) -> None:
        known = flat(self._config.shown())
        if key not in known:
            near = difflib.get_close_matches(key, [one for one in known if may_change(one)], 1)
            hint = f"did you mean {near[0]}?" if near else "'soul config show' shows all"
            raise BadRequest(f"there is no setting {key!r}", hint)
        if key.startswith("plugins."):
            raise BadRequest(
                f"{key} says which code runs: no client may set it",
                "use 'soul plugins', or the file",
            )
        if not may_change(key):
            raise BadRequest(
                f"{key} counts only from the next start on",
                f"change it in {self._config.path}, then 'soul restart'",
            )

    def _write(self, key: str, value: Any) -> None:
        path = self._config.path
        try:
            is_new = set_value(path, key, value, check=lambda text: config_file.load(path, text))
        except ConfigInvalid as e:
            kind = StorageError if isinstance(e.__cause__, OSError) else BadRequest
            raise kind(str(e)) from e
        if is_new:
            log.info("%s is set in %s", key, path)

    def _shown(self) -> ConfigShown:
        return ConfigShown(path=str(self._config.path), values=self._config.shown())
