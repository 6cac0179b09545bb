"""``soul.reincarnate``: a soul is reborn on another body, from the diary, beside the old one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from soul_client.wire import Progress, Reincarnated, SoulReincarnate
from sould.errors import Busy
from sould.soulfile.home import SoulFolder
from sould.supervisor.accepting import Acceptance
from sould.supervisor.background import Background
from sould.supervisor.bodies import Bodies
from sould.supervisor.diary import Diary
from sould.supervisor.engine import Engine, Ensure
from sould.supervisor.rebearing import Rebearing
from sould.supervisor.rebirths import Rebirths
from sould.supervisor.reports import Reports
from sould.supervisor.request import Request, StopReason
from sould.supervisor.scheduler import Scheduler
from sould.supervisor.wardrobe import Wardrobe

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_S = 0.1
"""How often is looked whether somebody wants the engine."""


class Reincarnating:
    """The handler. It has the engine until somebody else wants it, who gets it at once, with the
    soul and the body in use; then it waits until nobody wanted it for ``quiet_s``, and goes on.
    """

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        engine: Engine,
        wardrobe: Wardrobe,
        bodies: Bodies,
        souls: SoulFolder,
        diary: Diary,
        reports: Reports,
        workspace: Path,
        clock: Callable[[], datetime],
        is_asleep: Callable[[], bool],
        quiet_s: float,
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._wardrobe = wardrobe
        self._bodies = bodies
        self._souls = souls
        self._rebirths = Rebirths(souls)
        self._rebearing = Rebearing(
            engine=engine,
            wardrobe=wardrobe,
            souls=souls,
            rebirths=self._rebirths,
            diary=diary,
            reports=reports,
            clock=clock,
        )
        self._acceptance = Acceptance(
            workspace=workspace, diary=diary, souls=souls, reports=reports, clock=clock
        )
        self._is_asleep = is_asleep
        self._quiet_s = quiet_s
        self._is_busy = False
        self._background = Background()

    async def reincarnate(self, request: Request, params: SoulReincarnate) -> Reincarnated:
        """Go on with a rebirth, or begin it; accepted, let the reborn soul take the name.

        Raises:
            SouldError, Stopped: what was done stays done, and goes on when asked for again.
        """
        if self._is_busy:
            raise Busy("a soul is being reborn already", "wait for it, or stop it: 'soul stop'")
        request.ack()
        request.outlives_client = self._is_busy = True
        try:
            body, reborn = await request.race(asyncio.to_thread(self._look_up, params))
            card = await self._ended(reborn) if params.accept and reborn else None
            while card is None:
                card = await self._go_on(request, params.name, body)
            return await self._accept(request, card) if params.accept else card
        finally:
            self._is_busy = False

    def _look_up(self, params: SoulReincarnate) -> tuple[str, str | None]:
        """Return the body to be reborn on, and the reborn soul if there is one. Blocking.

        Raises:
            SouldError: there is no such soul or body, it is not said which, or the soul is new.
        """
        self._souls.home(params.name).require_newest()
        if params.body:
            body = self._bodies.find(params.body).name
            return body, self._rebirths.find(params.name, body)
        reborn = self._rebirths.find(params.name, "")
        assert reborn is not None
        return self._bodies.find(self._rebirths.get(reborn).body).name, reborn

    async def _ended(self, reborn: str) -> Reincarnated | None:
        return (await asyncio.to_thread(self._rebirths.get, reborn)).card

    async def _go_on(self, request: Request, soul: str, body: str) -> Reincarnated | None:
        """Return how it ended, None if somebody else wanted the engine before, or a night, which
        would be lost, goes on.
        """
        async with self._scheduler.slot(request, exclusive=True):
            card = None if self._is_asleep() else await self._with_engine(request, soul, body)
        if card is None:
            await request.race(self._quiet(request))
        return card

    async def _with_engine(self, request: Request, soul: str, body: str) -> Reincarnated | None:
        had_body = self._engine.has_body
        try:
            with self._engine.held(), self._engine.reserved() as ensure:
                await self._engine.clear("switch")
                return await self._unless_crowded(
                    request, self._rebear(request, soul, body, ensure)
                )
        finally:
            if had_body and request.stop_reason is not StopReason.SHUTDOWN:
                self._background.start(self._put_back())

    async def _rebear(self, request: Request, soul: str, body: str, ensure: Ensure) -> Reincarnated:
        reborn = await asyncio.to_thread(self._rebirths.find, soul, body)
        return await self._rebearing.go_on(soul, body, reborn, ensure, request.progress)

    async def _unless_crowded(self, request: Request, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of ``work``, None if it was given up because a request waits."""
        working = asyncio.ensure_future(work)
        crowded = asyncio.ensure_future(self._scheduler.crowded())
        both = {working, crowded}
        try:
            await request.race(asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED))
            return working.result() if working.done() else None
        finally:
            crowded.cancel()
            if not working.done():
                working.cancel()
            await asyncio.wait(both)

    async def _quiet(self, request: Request) -> None:
        """Wait until nobody has wanted the engine for a while."""
        loop = asyncio.get_running_loop()
        quiet_since = loop.time()
        request.progress(Progress(stage="waiting"))
        while loop.time() - quiet_since < self._quiet_s:
            await asyncio.sleep(LOOK_S)
            is_wanted = self._engine.is_imprinting or self._is_asleep()
            if is_wanted or not self._scheduler.is_idle:
                quiet_since = loop.time()

    async def _put_back(self) -> None:
        """Load the body in use, with the soul in use."""
        await self._engine.ensure(self._bodies.wanted, lambda _: None)

    async def _accept(self, request: Request, card: Reincarnated) -> Reincarnated:
        """Let the reborn soul take the name; if the old one was in use, it is, on its body."""
        async with self._scheduler.slot(request, exclusive=True):
            with self._engine.held():
                had_body = self._engine.has_body
                with self._engine.reserved():
                    await self._engine.clear("switch")
                    async with self._wardrobe.untouched():
                        kept_as = await asyncio.to_thread(
                            self._acceptance.accept, card.soul, card.reborn
                        )
                if self._wardrobe.name in (card.soul, card.reborn):
                    await self._wardrobe.change(card.soul)
                    self._bodies.want(card.body)
                if had_body:
                    await self._engine.ensure(self._bodies.wanted, request.progress)
        return msgspec.structs.replace(card, reborn=card.soul, accepted=True, kept_as=kept_as)
