"""The body in use, loaded for as long as a request needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sould.supervisor.engine import Engine
from sould.supervisor.request import Request


@asynccontextmanager
async def loaded(engine: Engine, body_name: str, request: Request) -> AsyncIterator[None]:
    """Load a body, unless it is, and let it not be unloaded for idleness inside.

    Raises:
        SouldError: it cannot be loaded.
        Stopped: the request was stopped before it was.
    """
    with engine.held():
        await request.race(engine.ensure(body_name, request.progress))
        yield
