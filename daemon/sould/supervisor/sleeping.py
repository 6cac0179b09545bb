"""``soul.sleep`` and ``soul.report``: a night of the soul in use, and what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from soul_client.wire import Empty, SleepReport
from sould.bridge import Sleep, Slept
from sould.errors import Busy, NotFound, SoulMissing, StorageError, TooLarge
from sould.supervisor.engine import Engine
from sould.supervisor.files import make_private_dir, write_private
from sould.supervisor.learner import Learner
from sould.supervisor.request import Request, Stopped, StopReason
from sould.supervisor.wardrobe import Wardrobe

log = logging.getLogger(__name__)

FOLDER = "reports"
MOST_RECORDS = 256
"""A night goes over so many at most, the oldest; the others wait on, to be learned awake."""


class Sleeping:
    """Handlers. A night takes the engine's idle time only: turns go on, learning waits.

    ``folder``: of the reports, one file a night.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        learner: Learner,
        wardrobe: Wardrobe,
        folder: Path,
        clock: Callable[[], datetime],
        body_name: Callable[[], str],
    ) -> None:
        self._engine = engine
        self._learner = learner
        self._wardrobe = wardrobe
        self._folder = folder
        self._clock = clock
        self._body_name = body_name
        self._is_asleep = False

    async def sleep(self, request: Request, params: Empty) -> SleepReport:
        """Sleep until the night is over, the request is stopped, or somebody needs the soul to
        hold still.
        """
        if self._is_asleep:
            raise Busy("it is night already")
        request.ack()
        self._is_asleep = True
        try:
            with self._engine.held():
                await request.race(self._engine.ensure(self._body_name(), request.progress))
                return await self._sleep(request)
        finally:
            self._is_asleep = False

    async def report(self, request: Request, params: Empty) -> SleepReport:
        """Return the report of the last night."""
        request.ack()
        return await asyncio.to_thread(self._newest)

    async def _sleep(self, request: Request) -> SleepReport:
        await request.race(self._learner.known())
        async with self._learner.asleep(wake=lambda: request.stop(StopReason.CANCELLED)):
            soul = self._wardrobe.status()
            if not soul.worn:
                raise SoulMissing(f"soul '{soul.name}' is not worn: {soul.problem}")
            if self._learner.is_crowded:
                raise TooLarge(
                    f"soul '{soul.name}' was taught more than a night can go over yet: what it "
                    "did not dream of would be lost"
                )
            await self._wardrobe.save("evening")  # what the night can be undone to
            order = Sleep(records=self._learner.told[:MOST_RECORDS])
            began = self._clock()
            try:
                slept = await request.race(self._engine.ask("soul.sleep", order, request.progress))
            except Stopped as e:
                if e.reason is not StopReason.SHUTDOWN:
                    await self._wardrobe.again()  # it may have been over just then
                raise
            assert isinstance(slept, Slept)
            if slept.report.outcome == "kept":
                await self._wardrobe.again()
        stamp = began.isoformat(timespec="milliseconds")
        report = msgspec.structs.replace(slept.report, soul=soul.name, began=stamp)
        if report.outcome != "nothing":
            await asyncio.to_thread(self._keep, report, began)
        return report

    def _keep(self, report: SleepReport, began: datetime) -> None:
        try:
            make_private_dir(self._folder)
            path = self._folder / f"{began:%Y-%m-%d-%H%M%S}.json"
            write_private(path, msgspec.json.format(msgspec.json.encode(report)))
        except StorageError as e:
            log.warning("the report of the night is not written: %s", e)

    def _newest(self) -> SleepReport:
        for path in sorted(self._folder.glob("*.json"), reverse=True):
            try:
                return msgspec.json.decode(path.read_bytes(), type=SleepReport)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as e:
                log.warning("report %s cannot be read: %s", path.name, type(e).__name__)
        raise NotFound("there is no report of any night", "sleep first: 'soul sleep'")
