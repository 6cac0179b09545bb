"""``soul.sleep`` and ``soul.report``: a night of the soul in use, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Set
from datetime import datetime

import msgspec

from soul_client.wire import Empty, Progress, SleepReport
from sould.bridge import Sleep, Slept, Wake
from sould.errors import Busy, SouldError, SoulMissing
from sould.supervisor.background import Background
from sould.supervisor.diary import Diary
from sould.supervisor.engine import Engine
from sould.supervisor.learner import Learner
from sould.supervisor.loaded import loaded
from sould.supervisor.night_plan import plan_night
from sould.supervisor.reports import Reports
from sould.supervisor.request import Request, Stopped, StopReason
from sould.supervisor.wardrobe import Wardrobe


class Sleeping:
    """Handlers. A night takes the engine's idle time only: turns go on, learning waits. It goes on
    when who asked for it has gone.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        learner: Learner,
        wardrobe: Wardrobe,
        diary: Diary,
        reports: Reports,
        clock: Callable[[], datetime],
        body_name: Callable[[], str],
    ) -> None:
        self._engine = engine
        self._learner = learner
        self._wardrobe = wardrobe
        self._diary = diary
        self._reports = reports
        self._clock = clock
        self._body_name = body_name
        self._is_woken = False
        self._is_day = asyncio.Event()
        self._is_day.set()
        self._background = Background()

    async def sleep(self, request: Request, params: Empty) -> SleepReport:
        """Sleep until the night is over, the request is stopped, or somebody needs the soul to
        hold still.
        """
        if self.is_asleep:
            raise Busy("it is night already")
        if self._engine.is_reserved:
            raise Busy("a soul is being reborn", "wait for it, or stop it: 'soul stop'")
        request.ack()
        request.outlives_client = True
        self._is_woken = False
        self._is_day.clear()
        try:
            async with loaded(self._engine, self._body_name(), request):
                return await self._sleep(request)
        finally:
            self._is_day.set()

    @property
    def is_asleep(self) -> bool:
        """Whether it is night."""
        return not self._is_day.is_set()

    async def over(self) -> None:
        """Wait until it is not night."""
        await self._is_day.wait()

    def wake(self) -> bool:
        """Ask for the end of the night; what was dreamt so far is kept if it passes. Tells whether
        it was night.
        """
        if self.is_asleep:
            self._is_woken = True
            self._background.start(self._wake())
        return self.is_asleep

    async def _wake(self) -> None:
        with contextlib.suppress(SouldError):  # without an engine there is no night
            await self._engine.ask("soul.wake", Wake())

    async def report(self, request: Request, params: Empty) -> SleepReport:
        """Return the report of the last night of the soul in use."""
        request.ack()
        report = await asyncio.to_thread(self._reports.newest, self._wardrobe.name)
        return await asyncio.to_thread(self._in_words, report)

    async def _sleep(self, request: Request) -> SleepReport:
        await request.race(self._learner.known())
        async with self._learner.asleep(wake=lambda: request.stop(StopReason.CANCELLED)):
            soul = self._wardrobe.status()
            if not soul.worn:
                raise SoulMissing(f"soul '{soul.name}' is not worn: {soul.problem}")
            await self._wardrobe.save("evening")  # what the night can be undone to
            began = self._clock()
            try:
                slept, left = await request.race(self._dream(soul.name, request.progress))
            except Stopped as e:
                if e.reason is not StopReason.SHUTDOWN:
                    await self._wardrobe.again()  # it may have been over just then
                raise
            if slept.report.outcome == "kept" or slept.worn.is_unsaved:
                await self._wardrobe.again()  # a night that cannot be saved was none
        stamp = began.isoformat(timespec="milliseconds")
        report = msgspec.structs.replace(slept.report, soul=soul.name, began=stamp, left=left)
        if report.outcome != "nothing":
            await asyncio.to_thread(self._reports.keep, report, began)
        return await asyncio.to_thread(self._in_words, report)

    async def _dream(self, soul: str, tell: Callable[[Progress], None]) -> tuple[Slept, int]:
        """Go over what the plan says; again, if nothing was told in it and there is more."""
        passed_over: set[str] = set()
        while True:
            order, left = await asyncio.to_thread(self._plan, soul, passed_over)
            night = asyncio.ensure_future(self._engine.ask("soul.sleep", order, tell))
            try:
                if self._is_woken:  # before it was known what to dream of
                    await asyncio.sleep(0)
                    await self._wake()
                slept = await night
            finally:
                night.cancel()
            assert isinstance(slept, Slept)
            new = {record.id for record in order.records} - order.nights.keys()
            if slept.report.outcome != "nothing" or not left or not new:
                return slept, left
            passed_over |= new

    def _plan(self, soul: str, passed_over: Set[str]) -> tuple[Sleep, int]:
        return plan_night(
            self._diary,
            soul,
            since=self._learner.since,
            taught=self._learner.taught,
            waiting=self._learner.waiting,
            reports=self._reports.all(),
            now=self._clock(),
            passed_over=passed_over,
        )

    def _in_words(self, report: SleepReport) -> SleepReport:
        """Return a report with what was said, as far as the diary still has it."""
        said = self._diary.texts({fact.id for fact in report.facts})
        facts = [msgspec.structs.replace(fact, text=said.get(fact.id, "")) for fact in report.facts]
        return msgspec.structs.replace(report, facts=facts)
