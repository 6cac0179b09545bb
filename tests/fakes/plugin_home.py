"""Where the plugins of the tests are found, and a host for them without a daemon."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sould.plugin import Home
from sould.supervisor.plugins.keeper import Keeper

FOLDER = Path(__file__).with_name("plugins")


def with_plugins() -> dict[str, str]:
    """Return the environment in which the plugins of the tests can be imported."""
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(FOLDER), *([before] if before else [])])}


@asynccontextmanager
async def host(
    *enabled: str,
    settings: dict[str, dict[str, Any]] | None = None,
    budget_s: float = 0.2,
    memory_bytes: int = 1 << 30,
) -> AsyncIterator[Keeper]:
    """Run a host; the environment is the caller's."""
    keeper = Keeper(
        home=Home(config="/c", workspace="/w", language="en", version="0", daemon_id="d"),
        enabled=enabled,
        settings=settings or {},
        budget_s=budget_s,
        memory_bytes=memory_bytes,
        on_declared=lambda: None,
    )
    keeper.start()
    try:
        yield keeper
    finally:
        await keeper.close()
