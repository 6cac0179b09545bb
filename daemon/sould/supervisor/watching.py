"""Everything that is watched while the daemon runs, and what follows from it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from soul_client.wire import Watched
from sould.live import WORN_WITH
from sould.supervisor.config_watch import ConfigWatch
from sould.supervisor.engine_link import Spawn
from sould.supervisor.handlers import Parts
from sould.supervisor.models_watch import ModelsWatch
from sould.supervisor.notices import Notices
from sould.supervisor.reloading import Reloading
from sould.supervisor.request import unasked
from sould.supervisor.soul_watch import SoulWatch


class Watching:
    """Bodies, the settings and the files of the soul in use, under watch."""

    def __init__(
        self,
        parts: Parts,
        models: ModelsWatch,
        *,
        spawn: Spawn,
        cancel_grace_s: float,
        night_over: Callable[[], Awaitable[None]],
        on_change: Callable[[], None],
    ) -> None:
        self._config = parts.config
        self._scheduler = parts.scheduler
        self._engine = parts.engine
        self._wardrobe = parts.wardrobe
        self._plugins = parts.plugins
        self._notices = Notices()
        self._models = models
        self._reloading = Reloading(
            scheduler=parts.scheduler,
            engine=parts.engine,
            bodies=parts.bodies,
            events=parts.events,
            spawn=spawn,
            cancel_grace_s=cancel_grace_s,
            whole=models.whole,
            night_over=night_over,
            on_change=on_change,
        )
        models.on_change = self._reloading.look
        self._settings = ConfigWatch(
            parts.config,
            scheduler=parts.scheduler,
            events=parts.events,
            on_applied=self._settings_applied,
            on_change=on_change,
        )
        self._soul = SoulWatch(
            parts.souls.folder, wardrobe=parts.wardrobe, take_up=self._take_up_soul
        )

    def watch(self) -> None:
        """Begin. Blocking: call it on a thread, since importing watchdog takes a while."""
        for one in (self._models, self._settings, self._soul):
            one.watch(self._notices)

    def status(self) -> Watched:
        """Return what ``daemon.status`` says."""
        return Watched(
            models=self._models.mode,
            body_problem=self._reloading.problem,
            config_problem=self._settings.problem,
            restart=self._settings.restart,
        )

    async def take_up_settings(self) -> None:
        """Let what the config file says now count, as far as it may."""
        await self._settings.take_up()

    async def close(self) -> None:
        """Begin nothing more, and give up what is being tried."""
        for one in (self._models, self._settings, self._soul):
            one.close()
        await self._reloading.close()

    def end_notices(self) -> None:
        """Blocking."""
        self._notices.close()

    async def _settings_applied(self, keys: Sequence[str]) -> None:
        if "log.level" in keys:
            logging.getLogger().setLevel(self._config.log.level.upper())
        if "body.idle_unload_s" in keys:
            self._engine.unload_after(self._config.body.idle_unload_s)
        if any(key.startswith("plugins.") for key in keys):
            await self._plugins.change(self._config.plugins)
        if any(key in WORN_WITH for key in keys):
            await self._wardrobe.refresh()

    async def _take_up_soul(self) -> None:
        """Put the soul on again; without a body, read what there is of it."""
        if self._engine.body is None:
            await self._wardrobe.look()
            return
        async with self._scheduler.slot(unasked("soul"), exclusive=True):
            if not self._wardrobe.is_worn and self._engine.body is not None:
                await self._wardrobe.again()
