"""``soul.forget``: what was said is taken out of the diary and out of the weights, for good."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import msgspec

from soul_client.wire import DiaryRecord, Forgotten, Progress, RecallMarks, SoulForget
from sould.bridge import Examine, Examined, Mark, Probe
from sould.errors import BadRequest, SouldError
from sould.supervisor.engine import Engine
from sould.supervisor.erasing import MOST_RECORDS, Eraser, Plan
from sould.supervisor.learner import Learner
from sould.supervisor.off_record import OffRecord
from sould.supervisor.rebirth_plan import evenly
from sould.supervisor.request import Request, Stopped, StopReason
from sould.supervisor.scheduler import Scheduler
from sould.supervisor.sessions import Sessions
from sould.supervisor.waiting import told_of
from sould.supervisor.wardrobe import Wardrobe

log = logging.getLogger(__name__)

LOOK_S = 0.1
"""How often is looked whether all is learned again."""


class Forgetting:
    """The handler. The engine is ended meanwhile: nothing of it stays in a cache of its memory."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        engine: Engine,
        learner: Learner,
        wardrobe: Wardrobe,
        sessions: Sessions,
        off_record: OffRecord,
        eraser: Eraser,
        body_name: Callable[[], str],
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._learner = learner
        self._wardrobe = wardrobe
        self._sessions = sessions
        self._off_record = off_record
        self._eraser = eraser
        self._body_name = body_name

    async def forget(self, request: Request, params: SoulForget) -> Forgotten:
        """Forget what was said, or say what that would take.

        Raises:
            SouldError: nothing was changed; StorageError: it is finished at the next start, or
                when it is asked for again.
        """
        what = params.what.strip()
        if not what:
            raise BadRequest("it takes an id, or something that was said, to be forgotten")
        if params.dry_run and not self._eraser.is_pending:
            request.ack()
            return told(await request.race(self._plan(what, params.document)))
        with self._engine.held():
            async with self._scheduler.slot(request, exclusive=True):
                # First, since it may have to put another body's soul away, which stops learning.
                await self._loaded(request)
                async with self._learner.stopped():
                    if self._eraser.is_pending:  # an earlier one that failed half way
                        await self._finish(request)
                        await self._loaded(request)
                    if params.dry_run:
                        return told(await request.race(self._plan(what, params.document)))
                    forgotten, probes = await self._forget(request, what, params.document)
            await self._learner.known()  # from now on the status tells what is to be learned again
            if not (params.wait and self._wardrobe.is_worn):
                return forgotten
            return await self._relearned(request, forgotten, probes)

    async def _forget(
        self, request: Request, what: str, document: bool
    ) -> tuple[Forgotten, list[Probe]]:
        await request.race(self._learner.known())
        plan = await request.race(self._plan(what, document))
        before = await self._known(request, plan)
        await asyncio.to_thread(self._eraser.begin, plan.note)
        await self._finish(request)
        for one in (*plan.found.told, *plan.found.replies):
            self._off_record.end(one.session)
        if before is None:
            await self._wardrobe.look()
            return msgspec.structs.replace(told(plan), asked=False), []
        forgotten = msgspec.structs.replace(
            told(plan), before=marks(before.worn), never=marks(before.bare)
        )
        return await self._examined(request, forgotten, before.probes), before.probes

    async def _loaded(self, request: Request) -> None:
        """Have the soul worn, if that can be; it forgets without a body, too."""
        try:
            await request.race(self._engine.ensure(self._body_name(), request.progress))
        except SouldError as e:
            log.warning("it is forgotten without a body: %s", e)

    async def _known(self, request: Request, plan: Plan) -> Examined | None:
        """Return how well the soul knows what is to be forgotten, None if it cannot be asked."""
        if not self._wardrobe.is_worn:
            return None
        order = Examine(
            records=[told_of(one) for one in evenly(plan.found.told, MOST_RECORDS)],
            beside=self._learner.recent,
        )
        try:
            found = await request.race(self._engine.ask("soul.examine", order, request.progress))
        except SouldError as e:
            log.warning("it is forgotten without being asked for: %s", e)
            return None
        assert isinstance(found, Examined)
        return found

    async def _plan(self, what: str, document: bool) -> Plan:
        name, taught = self._wardrobe.name, self._wardrobe.taught
        return await asyncio.to_thread(self._eraser.plan, name, taught, what, document=document)

    async def _finish(self, request: Request) -> None:
        """Carry out what is noted; it is not stopped on the way."""
        request.progress(Progress(stage="forgetting"))
        try:
            await self._engine.discard()
            async with self._wardrobe.untouched():
                await asyncio.to_thread(self._eraser.finish)
        finally:
            self._sessions.forget()

    async def _examined(
        self, request: Request, forgotten: Forgotten, probes: list[Probe]
    ) -> Forgotten:
        """Return with it how well the soul knows it now, if that can be found out."""
        try:
            await self._engine.ensure(self._body_name(), request.progress)
            if not self._wardrobe.is_worn:
                return forgotten
            after = await self._engine.ask("soul.examine", Examine(probes=probes))
        except SouldError as e:
            log.warning("how well it is forgotten is not known: %s", e)
            return forgotten
        assert isinstance(after, Examined)
        return msgspec.structs.replace(forgotten, after=marks(after.worn))

    async def _relearned(
        self, request: Request, forgotten: Forgotten, probes: list[Probe]
    ) -> Forgotten:
        try:
            await request.race(self._settled(request))
        except Stopped as e:
            if e.reason not in (StopReason.CANCELLED, StopReason.DEADLINE):
                raise
            return forgotten
        return await self._examined(request, forgotten, probes)

    async def _settled(self, request: Request) -> None:
        """Wait until nothing is left to be learned, or nothing more is learned."""
        total, shown = self._learner.pending, 0
        while left := self._learner.pending:
            if left != shown:
                done = max(0, total - left)
                request.progress(Progress(stage="imprinting", done=done, total=total))
            shown = left
            await asyncio.sleep(LOOK_S)
            await self._engine.ensure(self._body_name(), request.progress)  # it may have died
            if self._learner.is_paused or not self._wardrobe.is_worn:
                return


def told(plan: Plan) -> Forgotten:
    """Return what a plan is for those who ask. Pure."""
    shown = plan.found.told[:MOST_RECORDS]
    return Forgotten(
        soul=plan.note.soul,
        records=[DiaryRecord(id=r.id, ts=r.ts, text=r.text) for r in shown],
        more=len(plan.found.told) - len(shown),
        replies=len(plan.found.replies),
        generations=len(plan.generations),
        relearned=plan.relearned,
        lost=plan.lost,
        others=plan.others,
        reborn=plan.reborn,
    )


def marks(found: Sequence[Mark]) -> RecallMarks | None:
    """Return the marks of all facts together, None if there are none. Pure."""
    if not found:
        return None
    mean = sum(mark.log_p for mark in found) / len(found)
    says = sum(mark.says for mark in found)
    return RecallMarks(recalled=says, facts=len(found), log_p=round(mean, 3))
