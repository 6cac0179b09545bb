"""A second engine process, in which a body is loaded and tried before it is used."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from msgspec import Struct

from soul_client.wire import LoadedBody
from sould.bridge import Generate, Generated, Load
from sould.errors import EngineDied
from sould.supervisor.engine_link import EngineLink, Spawn

log = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0
END_GRACE_S = 2.0


class Rival:
    """One process from its start until the engine takes over its ``link``, or it is ended."""

    def __init__(self, spawn: Spawn, *, cancel_grace_s: float) -> None:
        self.link = EngineLink(
            spawn, cancel_grace_s=cancel_grace_s, on_change=lambda: None, on_exit=_exited
        )

    async def load(self, order: Load) -> LoadedBody:
        """Load a body.

        Raises:
            Relayed: the engine's words why it cannot be loaded.
            EngineDied: the process ended.
        """
        try:
            await asyncio.wait_for(asyncio.shield(self.link.ready), START_TIMEOUT_S)
        except TimeoutError as e:
            raise EngineDied(f"the engine was not ready after {START_TIMEOUT_S:g} s") from e
        body = await self._ask("load", order)
        assert isinstance(body, LoadedBody)
        return body

    async def generate(self, order: Generate) -> Generated:
        """Let the body answer.

        Raises:
            Relayed, EngineDied: as :meth:`load`.
        """
        said = await self._ask("generate", order)
        assert isinstance(said, Generated)
        return said

    async def end(self) -> None:
        """End the process."""
        if not self.link.gone.is_set():
            await self.link.end(END_GRACE_S)

    async def _ask(self, method: str, params: Struct) -> Any:
        call = self.link.begin(method, params, lambda _: None, lambda _: None)
        return await asyncio.shield(call.future)


def _exited(how: str) -> None:
    if how:
        log.warning("the process in which a changed body was tried ended: %s", how)
