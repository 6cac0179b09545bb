"""Jobs: requests of the protocol that the daemon makes by itself when it is time.

When that is, ``timetable`` says. The clock is looked at again and again instead of being slept
through, so neither a suspended machine nor a clock that is set makes a job run late or twice.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from datetime import time as clock_time

import msgspec
from msgspec import Struct

from soul_client import codec
from soul_client.errors import WireError
from soul_client.job_wire import JobStatus
from soul_client.wire import RPC_METHODS, Empty, Error, ErrorCode
from sould.errors import BadRequest, SouldError
from sould.plugin import Daily as DailyAt
from sould.plugin import Job
from sould.supervisor import timetable
from sould.supervisor.background import Background, note_failure
from sould.supervisor.job_notes import FILE, JobNotes, NightNote
from sould.supervisor.mains import is_on_mains
from sould.supervisor.status import SLEEP
from sould.supervisor.timetable import Daily, Decision, Every, Machine, Past
from sould.supervisor.zones import zone_of

log = logging.getLogger(__name__)

TICK_S = 30.0
"""How long the clock is not looked at, at most, while there are jobs."""
SHORTEST_S = 0.1
RESUMED = "night"
"""The job that begins a night again in which the daemon was killed."""

Ask = Callable[[str, str, Struct], Awaitable[Struct]]


class Planned(Struct, kw_only=True):
    """A job that was declared, and what is known of it."""

    when: Daily | Every
    method: str
    params: Struct
    past: Past
    decision: Decision
    is_running: bool = False
    is_once: bool = False


class Jobs:
    """All jobs. ``ask`` makes a request (its id, method and parameters) and returns the body of
    its last frame; ``idle_s`` says how long nobody has asked for anything; ``quiet_s`` is how long
    that must be before a night that was cut short begins again.
    """

    def __init__(
        self,
        *,
        notes: JobNotes,
        night: NightNote,
        ask: Ask,
        idle_s: Callable[[], float],
        clock: Callable[[], datetime],
        on_change: Callable[[], None],
        quiet_s: float,
        on_mains: Callable[[], bool] = is_on_mains,
    ) -> None:
        self._notes = notes
        self._night = night
        self._ask = ask
        self._idle_s = idle_s
        self._clock = clock
        self._on_change = on_change
        self._quiet_s = quiet_s
        self._on_mains = on_mains
        self._planned: dict[str, Planned] = {}
        self._pasts: dict[str, Past] = {}
        self._background = Background()
        self._writing = asyncio.Lock()
        self._one_look = asyncio.Lock()
        self._looking: asyncio.Task[None] | None = None
        self._is_open = asyncio.Event()

    def status(self) -> list[JobStatus]:
        """Return every job, as the clock was looked at last."""
        return [shown(name, one) for name, one in self._planned.items()]

    async def open(self) -> None:
        """Read what was done, and see to a night that was cut short by the daemon's end."""
        self._pasts = await asyncio.to_thread(self._notes.read)
        if await asyncio.to_thread(self._night.was_cut_short):
            log.warning("the daemon was ended in the middle of a night: it will begin again")
            when = Every(seconds=timetable.RETRY_S, idle_s=self._quiet_s)
            self._plan(RESUMED, when, SLEEP, Empty(), Past()).is_once = True
        self._is_open.set()
        self._begin()

    async def declare(self, jobs: Mapping[str, Job]) -> dict[str, str]:
        """Do these jobs from now on, instead of those declared before; return why some are not
        done, by name. It waits for :meth:`open`.
        """
        await self._is_open.wait()
        problems: dict[str, str] = {}
        for name in [name for name, one in self._planned.items() if not one.is_once]:
            if name not in jobs:
                del self._planned[name]
        for name, job in jobs.items():
            try:
                when, params = when_of(job), params_of(job)
            except SouldError as e:
                log.warning("job %s is not done: %s", name, e)
                problems[name] = str(e)
                continue
            if name not in self._pasts:
                self._pasts[name] = timetable.first(when, self._clock())
            self._plan(name, when, job.method, params, self._pasts[name])
        await self._write()
        self._begin()
        return problems

    def close(self) -> None:
        """Begin nothing more; what runs is stopped as any request is."""
        if self._looking is not None:
            self._looking.cancel()

    async def look(self) -> None:
        """Look at the clock, and begin what is due."""
        async with self._one_look:
            await self._look()

    async def _look(self) -> None:
        if sys.platform != "win32":
            time.tzset()  # the machine may have travelled
        for name, one in list(self._planned.items()):
            if one.is_running:
                continue
            try:
                before, one.decision = one.decision, await self._decide(one)
            except Exception:
                log.exception("job %s could not be looked at; it is again in %g s", name, TICK_S)
                continue
            if not one.decision.waits:
                one.is_running = True
                self._background.start(self._do(name, one))
            elif before.waits != one.decision.waits:
                log.debug("job %s waits for: %s", name, one.decision.waits)
                self._on_change()

    def _plan(
        self, name: str, when: Daily | Every, method: str, params: Struct, past: Past
    ) -> Planned:
        decision = timetable.due(when, self._clock(), past, Machine(idle_s=0.0))
        known = self._planned.get(name)
        if known is None:
            known = self._planned[name] = Planned(
                when=when, method=method, params=params, past=past, decision=decision
            )
        known.when, known.method, known.params, known.decision = when, method, params, decision
        return known

    def _begin(self) -> None:
        if self._planned and self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._keep_looking())
            self._looking.add_done_callback(note_failure)

    async def _keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._pause_s())

    def _pause_s(self) -> float:
        """Return how long nothing can become due."""
        now, idle_s = self._clock(), self._idle_s()
        pauses = [TICK_S]
        for one in self._planned.values():
            if one.decision.waits == "time":
                pauses.append((one.decision.next_at - now).total_seconds())
            elif one.decision.waits == "idle":
                pauses.append(one.when.idle_s - idle_s)
        return max(SHORTEST_S, min(pauses))

    async def _decide(self, one: Planned) -> Decision:
        machine = Machine(idle_s=self._idle_s())
        found = timetable.due(one.when, self._clock(), one.past, machine)
        if not found.waits and one.method == SLEEP and not one.is_once and RESUMED in self._planned:
            return msgspec.structs.replace(found, waits="retry")  # the one cut short ends first
        if found.waits or not one.when.only_on_mains:
            return found
        on_mains = await asyncio.to_thread(self._on_mains)  # asked for only where it matters
        machine = Machine(idle_s=self._idle_s(), is_on_mains=on_mains)
        return timetable.due(one.when, self._clock(), one.past, machine)

    async def _do(self, name: str, one: Planned) -> None:
        """Do a job once; not if that cannot be noted, for then it might be done twice."""
        former = one.past
        past = timetable.begun(former, one.decision.day, self._clock())
        try:
            if await self._note(name, one, past):
                await self._run(name, one, past)
            else:
                problem = f"{FILE} in the workspace cannot be written"
                one.past = msgspec.structs.replace(past, tries=past.tries - 1, problem=problem)
        finally:
            one.is_running = False
            one.decision = timetable.due(one.when, self._clock(), one.past, Machine(idle_s=0.0))
            self._on_change()

    async def _run(self, name: str, one: Planned, past: Past) -> None:
        log.info("job %s begins: %s", name, one.method)
        self._on_change()
        answer = await self._ask(f"job-{name}", one.method, one.params)
        if not isinstance(answer, Error):
            log.info("job %s is done", name)
            is_over, past = True, timetable.ended(past)
        elif answer.code is ErrorCode.SHUTTING_DOWN:
            return  # it is noted to have begun: the next start tries again
        else:
            log.warning("job %s: %s", name, answer.message)
            is_over = answer.code is ErrorCode.CANCELLED  # somebody did not want it
            past = timetable.ended(past, problem=answer.message, is_done=is_over)
        await self._note(name, one, past)
        if not one.is_once or (isinstance(answer, Error) and answer.code is ErrorCode.BUSY):
            return
        if isinstance(answer, Error):  # refused, it would be at every start
            await asyncio.to_thread(self._night.end)
        if is_over:
            await self._end_nights(past.problem)
        self._planned.pop(name, None)

    async def _end_nights(self, problem: str) -> None:
        """End the dates whose night was cut short: it was slept to its end, or is not wanted."""
        for name, one in list(self._planned.items()):
            if one.method == SLEEP and one.past.begun:
                await self._note(name, one, timetable.ended(one.past, problem=problem))

    async def _note(self, name: str, one: Planned, past: Past) -> bool:
        one.past = past
        if one.is_once:  # the night has a note of its own
            return True
        self._pasts[name] = past
        return await self._write()

    async def _write(self) -> bool:
        async with self._writing:
            try:
                await asyncio.to_thread(self._notes.write, dict(self._pasts))
            except SouldError as e:
                log.error("what was done of the jobs is not noted: %s", e)
                return False
        return True


def shown(name: str, one: Planned) -> JobStatus:
    """Return a job for those who ask. Pure."""
    waits = one.decision.waits
    return JobStatus(
        name=name,
        next_at=one.decision.next_at.astimezone().isoformat(timespec="seconds"),
        last_at=one.past.last_at,
        waiting_for="" if one.is_running else waits or "time",
        problem=one.past.problem,
    )


def when_of(job: Job) -> Daily | Every:
    """Return when a job is due.

    Raises:
        BadRequest: there is no such time zone.
    """
    if not isinstance(job.when, DailyAt):
        return Every(seconds=job.when.seconds, idle_s=job.idle_s, only_on_mains=job.only_on_mains)
    until = job.when.until
    return Daily(
        at=_clock_of(job.when.at),
        zone=zone_of(job.when.time_zone),
        until=_clock_of(until) if until else None,
        idle_s=job.idle_s,
        only_on_mains=job.only_on_mains,
        catch_up=job.catch_up,
    )


def params_of(job: Job) -> Struct:
    """Return the parameters of a job's request.

    Raises:
        BadRequest: there is no such method, or they are none of it.
    """
    if job.method not in RPC_METHODS:
        raise BadRequest(f"there is no method {job.method!r}", "PROTOCOL.md lists them")
    try:
        return codec.convert(job.params, RPC_METHODS[job.method][0])
    except WireError as e:
        raise BadRequest(f"{job.method}: {e.message}") from e


def _clock_of(text: str) -> clock_time:
    return clock_time.fromisoformat(text)
