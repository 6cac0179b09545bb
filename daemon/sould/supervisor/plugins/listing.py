"""``plugins.list``: the plugins there are, and how those that are enabled stand."""

from __future__ import annotations

import asyncio

from soul_client.plugin_wire import PluginEntry, PluginList
from soul_client.wire import Empty
from sould.supervisor.plugins.discovery import Found, installed, resolve
from sould.supervisor.plugins.hooks import Plugins
from sould.supervisor.plugins.standing import Standing
from sould.supervisor.request import Request


class Listing:
    """The handler."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    async def list(self, request: Request, params: Empty) -> PluginList:
        """List what is enabled, in the order it is asked in, then what else is installed."""
        request.ack()
        known = await request.race(asyncio.to_thread(installed))
        return PluginList(plugins=entries(dict(self._plugins.standings()), known))


def entries(standings: dict[str, Standing], known: dict[str, Found]) -> list[PluginEntry]:
    """Put metadata and standings together. Pure."""
    enabled = [_entry(one, standings[one.name]) for one in resolve(list(standings), known)]
    return enabled + [_entry(one, None) for name, one in known.items() if name not in standings]


def _entry(found: Found, standing: Standing | None) -> PluginEntry:
    if standing is None:
        return PluginEntry(
            name=found.name, version=found.version, source=found.source, problem=found.problem
        )
    return PluginEntry(
        name=found.name,
        version=found.version,
        source=found.source,
        enabled=True,
        state=standing.state,
        strikes=standing.strikes,
        hooks=sorted(standing.hooks),
        jobs=[job.name for job in standing.jobs],
        frontends=[frontend.name for frontend in standing.frontends],
        problem=standing.problem,
    )
