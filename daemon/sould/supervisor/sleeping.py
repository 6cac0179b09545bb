"""``soul.sleep``, ``soul.report`` and ``soul.reports``: nights of the soul in use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Set
from datetime import datetime

import msgspec

from soul_client.wire import (
    Dreamt,
    Empty,
    Progress,
    SleepReport,
    SleepReports,
    SoulReportsOf,
)
from sould.bridge import Sleep, Slept, Wake, Worn
from sould.errors import BadRequest, Busy, EngineDied, SouldError, SoulMissing
from sould.plugin.structs import Night
from sould.soulfile.home import SoulFolder
from sould.supervisor.background import Background
from sould.supervisor.diary import Diary, Record, Statement
from sould.supervisor.engine import Engine
from sould.supervisor.job_notes import NightNote
from sould.supervisor.learner import Learner
from sould.supervisor.loaded import loaded
from sould.supervisor.night_plan import plan_night
from sould.supervisor.plugins.hooks import Plugins
from sould.supervisor.plugins.nights import select, told_of, with_dreams
from sould.supervisor.reports import Reports
from sould.supervisor.request import Request, Stopped, StopReason
from sould.supervisor.wardrobe import Wardrobe

log = logging.getLogger(__name__)


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
        note: NightNote,
        clock: Callable[[], datetime],
        body_name: Callable[[], str],
        souls: SoulFolder,
        plugins: Plugins,
    ) -> None:
        self._engine = engine
        self._learner = learner
        self._wardrobe = wardrobe
        self._diary = diary
        self._reports = reports
        self._note = note
        self._clock = clock
        self._body_name = body_name
        self._souls = souls
        self._plugins = plugins
        self._request: Request | None = None
        self._is_dreaming = False
        self._is_day = asyncio.Event()
        self._is_day.set()
        self._background = Background()

    async def sleep(self, request: Request, params: Empty) -> SleepReport:
        """Sleep until the night is over, the request is stopped, or somebody needs the soul to
        hold still.
        """
        if self.is_asleep:
            raise Busy("it is night already", "'soul events' shows how far it is")
        if self._engine.is_reserved:
            raise Busy("a soul is being reborn", "wait for it, or stop it: 'soul stop'")
        if not self._wardrobe.listens:
            raise BadRequest(
                "memory is off: nothing is learned, asleep or awake",
                "set memory: on in the config file",
            )
        request.ack()
        request.outlives_client = True
        self._request, self._is_dreaming = request, False
        self._is_day.clear()
        try:
            await asyncio.to_thread(self._note.begin)
            async with loaded(self._engine, self._body_name(), request):
                return await self._sleep(request)
        finally:
            self._is_day.set()
            if request.stop_reason is not StopReason.SHUTDOWN:  # else it begins again by itself
                await asyncio.to_thread(self._note.end)

    @property
    def is_asleep(self) -> bool:
        """Whether it is night."""
        return not self._is_day.is_set()

    async def over(self) -> None:
        """Wait until it is not night."""
        await self._is_day.wait()

    def wake(self) -> bool:
        """Ask for the end of the night; what was dreamt so far is kept if it passes, and if nothing
        was it is over at once. Tells whether it was night.
        """
        if self.is_asleep and self._is_dreaming:
            self._background.start(self._wake())
        elif self.is_asleep and self._request is not None:
            self._request.stop(StopReason.CANCELLED)
        return self.is_asleep

    async def _wake(self) -> None:
        with contextlib.suppress(SouldError):  # without an engine there is no night
            await self._engine.ask("soul.wake", Wake())

    async def report(self, request: Request, params: Empty) -> SleepReport:
        """Return the report of the last night of the soul in use."""
        request.ack()
        report = await asyncio.to_thread(self._reports.newest, self._wardrobe.name)
        return await asyncio.to_thread(self._in_words, report)

    async def reports(self, request: Request, params: SoulReportsOf) -> SleepReports:
        """Return the reports of the newest nights of the soul in use."""
        request.ack()
        soul = self._wardrobe.name
        found = await asyncio.to_thread(self._reports.newest_of, soul, params.limit)
        return SleepReports(soul=soul, reports=found)

    async def _sleep(self, request: Request) -> SleepReport:
        await request.race(self._learner.known())
        async with self._learner.asleep(wake=lambda: request.stop(StopReason.CANCELLED)):
            soul = self._wardrobe.status()
            if not soul.worn:
                raise SoulMissing(f"soul '{soul.name}' is not worn: {soul.problem}")
            await self._wardrobe.save("evening")  # what the night can be undone to
            evening = self._wardrobe.status().generation
            began, began_s = self._clock(), self._seconds()
            night = Night(soul=soul.name, began=began.isoformat(timespec="milliseconds"))
            self._plugins.before_sleep(night)
            try:
                slept, left = await request.race(self._dream(night, self._told_to(request)))
            except Stopped as e:
                if e.reason is not StopReason.SHUTDOWN:
                    await self._as_it_was(soul.name, evening)
                    lost = _lost(night, "it was stopped", self._seconds() - began_s)
                    self._plugins.after_sleep(told_of(lost))
                raise
            except SouldError as e:  # who does not wait for it is told all the same
                why = f"the engine is gone: {e}" if isinstance(e, EngineDied) else e.message
                lost = _lost(night, why, self._seconds() - began_s)
                self._plugins.after_sleep(told_of(lost))
                await asyncio.to_thread(self._reports.keep, lost, began)
                raise
            report = msgspec.structs.replace(
                slept.report,
                soul=soul.name,
                began=night.began,
                left=left,
                unreadable=self._diary.unreadable,
            )
            if report.outcome == "kept":
                report = await self._accepted(report, slept.worn)
            elif slept.worn.is_unsaved:
                await self._wardrobe.again()  # a night that cannot be saved was none
        self._plugins.after_sleep(told_of(report))
        if report.outcome != "nothing":
            await asyncio.to_thread(self._reports.keep, report, began)
        return await asyncio.to_thread(self._in_words, report)

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time()

    async def _accepted(self, report: SleepReport, worn: Worn) -> SleepReport:
        """Return the report of a night that was kept, rolled back if a plugin objects to it."""
        await self._wardrobe.slept(worn)
        if not (objection := await self._plugins.accept_sleep(told_of(report))):
            return report
        try:
            home = self._souls.home(report.soul)
            back = await asyncio.to_thread(lambda: home.take_back(now=self._clock()))
        finally:
            await self._wardrobe.again()
        log.info("the night of soul %s is rolled back: %s", report.soul, objection)
        level = back.meta.level if back.meta else report.level
        return msgspec.structs.replace(report, outcome="rolled_back", why=objection, level=level)

    async def _as_it_was(self, soul: str, evening: int) -> None:
        """Undo a night that was stopped, and was over just then."""
        await self._wardrobe.again()
        if self._wardrobe.status().generation > evening:
            home = self._souls.home(soul)
            await asyncio.to_thread(lambda: home.take_back(now=self._clock()))
            await self._wardrobe.again()

    async def _dream(self, night: Night, tell: Callable[[Progress], None]) -> tuple[Slept, int]:
        """Go over what the plan says; again, if nothing was told in it and there is more."""
        passed_over: set[str] = set()
        while True:
            planned, left = await asyncio.to_thread(self._plan, night.soul, passed_over)
            order = await select(self._plugins, night, planned)
            left += len(planned.records) - len(order.records)
            order = await with_dreams(self._plugins, night, order)
            slept = await self._engine.ask("soul.sleep", order, tell)
            assert isinstance(slept, Slept)
            new = {record.id for record in order.records} - order.nights.keys()
            if slept.report.outcome != "nothing" or not left or not new:
                return slept, left
            passed_over |= new

    def _told_to(self, request: Request) -> Callable[[Progress], None]:
        def tell(progress: Progress) -> None:
            self._is_dreaming = self._is_dreaming or progress.stage == "dreaming"
            request.progress(progress)

        return tell

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
            again=self._learner.again,
        )

    def _in_words(self, report: SleepReport) -> SleepReport:
        """Return a report with what was said, as far as the diary still has it."""
        found = self._diary.find({fact.id for fact in report.facts})
        facts = [_in_words(fact, found.get(fact.id)) for fact in report.facts]
        return msgspec.structs.replace(report, facts=facts)


def _lost(night: Night, why: str, seconds: float) -> SleepReport:
    return SleepReport(
        outcome="rolled_back",
        why=why,
        soul=night.soul,
        began=night.began,
        seconds=round(seconds, 3),
    )


def _in_words(fact: Dreamt, record: Record | None) -> Dreamt:
    if record is None:
        return fact
    source = record.source if isinstance(record, Statement) else ""
    return msgspec.structs.replace(fact, text=record.text, source=source)
