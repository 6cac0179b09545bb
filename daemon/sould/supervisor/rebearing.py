"""The nights a soul is reborn in, one after the other, and the exams before and after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from soul_client.wire import Progress, RecallMarks, Reincarnated, SleepReport
from sould.bridge import Examine, Examined, Mark, Save, Sleep, Slept, Worn
from sould.errors import NotFound, SouldError
from sould.soulfile.home import SoulFolder
from sould.supervisor.diary import Diary
from sould.supervisor.engine import Engine, Ensure
from sould.supervisor.engine_link import OnProgress
from sould.supervisor.forgetting import marks
from sould.supervisor.night_plan import MOST_RECORDS, order_night
from sould.supervisor.rebirth_plan import Life, evenly, find_life, nights_of
from sould.supervisor.rebirths import Rebirths
from sould.supervisor.reports import Reports
from sould.supervisor.shelf import SoulState, read_state
from sould.supervisor.waiting import told_of
from sould.supervisor.wardrobe import Wardrobe

log = logging.getLogger(__name__)

MOST_ASKED = 64
TRIES = 2
"""Of a night that is rolled back; each with a seed of its own."""


class Old(Struct, frozen=True, kw_only=True):
    """The soul that is to be reborn. ``body``: fingerprint of its own, ``body_name``: its name."""

    name: str
    body: str
    body_name: str
    state: SoulState


class Rebearing:
    """Sleeps through the life of a soul, on another body and as another soul.

    It can be cancelled anywhere, and goes on when it is called again: what the reborn soul was
    taught tells which nights are over.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        wardrobe: Wardrobe,
        souls: SoulFolder,
        rebirths: Rebirths,
        diary: Diary,
        reports: Reports,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._wardrobe = wardrobe
        self._souls = souls
        self._rebirths = rebirths
        self._diary = diary
        self._reports = reports
        self._clock = clock

    async def go_on(
        self, soul: str, body: str, reborn: str | None, ensure: Ensure, tell: OnProgress
    ) -> Reincarnated:
        """Do all that is left to do; no body is loaded at the beginning.

        Raises:
            NotFound: the diary has nothing that the soul was told.
            SouldError: what was done stays done.
        """
        tell(Progress(stage="gathering"))
        async with self._wardrobe.untouched():
            old = await asyncio.to_thread(self._read_old, soul)
        life = await asyncio.to_thread(find_life, self._diary, soul, old.state)
        if not life.said:
            raise NotFound(f"the diary has nothing that soul '{soul}' was taught or told")
        if reborn is None:
            reborn = await asyncio.to_thread(self._rebirths.begin, soul, body)
        await self._ask_old(old, life, reborn, ensure, tell)
        with self._wardrobe.lent(reborn):
            try:
                await ensure(body, tell)
                taught, silent = await self._nights(life, reborn, tell)
                return await self._end(old, life, reborn, taught, silent, tell)
            finally:
                await self._engine.clear()

    def _read_old(self, name: str) -> Old:
        newest = self._souls.home(name).require_newest()
        assert newest.meta is not None
        state = read_state(self._souls, name)
        return Old(name=name, body=newest.meta.body, body_name=newest.meta.body_name, state=state)

    async def _ask_old(
        self, old: Old, life: Life, reborn: str, ensure: Ensure, tell: OnProgress
    ) -> None:
        """Examine the old soul on its own body, once; why that cannot be done is noted instead."""
        rebirth = await asyncio.to_thread(self._rebirths.get, reborn)
        if rebirth.before is not None and rebirth.old_body == old.body:
            return
        known = [one for one in life.said if one.is_taught]
        asked = [one.id for one in evenly(known or life.said, MOST_ASKED)]
        before, problem = None, ""
        with self._wardrobe.lent(old.name):
            try:
                await ensure(old.body_name, tell)
                before, _ = await self._examine(life, asked, tell)
            except SouldError as e:
                log.warning("soul %s is not asked on its body: %s", old.name, e)
                problem = e.message
            finally:
                await self._engine.clear()
        await self._note(reborn, asked=asked, before=before, problem=problem, old_body=old.body)

    async def _examine(
        self, life: Life, asked: Sequence[str], tell: OnProgress
    ) -> tuple[dict[str, Mark], dict[str, Mark]]:
        """Return the marks of the soul that is worn, and of its bare body, by record."""
        others = [one.id for one in life.said if one.id not in set(asked)]
        beside = evenly(others, MOST_RECORDS - len(asked))
        found = await asyncio.to_thread(self._diary.find, {*asked, *beside})
        told = [told_of(found[id_]) for id_ in asked if id_ in found]
        known = [told_of(found[id_]) for id_ in beside if id_ in found]
        order = Examine(records=told, beside=known)
        examined = await self._engine.ask("soul.examine", order, tell)
        assert isinstance(examined, Examined)
        ids = [probe.id for probe in examined.probes]
        worn, bare = (dict(zip(ids, some, strict=True)) for some in (examined.worn, examined.bare))
        return worn, bare

    async def _nights(
        self, life: Life, reborn: str, tell: OnProgress
    ) -> tuple[frozenset[str], int]:
        """Sleep through all nights that are left; return what the reborn soul was taught, and how
        many records were said in nights that tell nothing.
        """
        rebirth = await asyncio.to_thread(self._rebirths.get, reborn)
        taught, left, silent = self._wardrobe.guest_taught, frozenset(rebirth.left), 0
        nights = nights_of([one for one in life.said if one.id not in taught | left])
        over = len(await asyncio.to_thread(self._kept, reborn))
        for number, night in enumerate(nights, start=over + 1):

            def tell_night(progress: Progress, part: int = number) -> None:
                parts = over + len(nights)
                tell(msgspec.structs.replace(progress, part=part, parts=parts))

            tell_night(Progress(stage="preparing"))
            began, new = self._seconds(), frozenset(one.id for one in night)
            slept = await self._night(reborn, new, taught, tell_night)
            if slept is None:
                silent += len(new)
                continue
            if slept.report.outcome == "kept":
                taught |= new & frozenset(slept.worn.taught)  # one that ended early left some
            left |= new - taught
            await self._note(reborn, left=sorted(left), more_seconds=self._seconds() - began)
        return taught, silent

    async def _night(
        self, reborn: str, new: frozenset[str], taught: frozenset[str], tell: OnProgress
    ) -> Slept | None:
        """Sleep over these records until that is kept, ``TRIES`` times at most; return what became
        of the last try, None if none of them tells anything.
        """
        slept = None
        for _ in range(TRIES):
            order = await asyncio.to_thread(self._plan, reborn, new, taught)
            began = self._clock()
            slept = await self._engine.ask("soul.sleep", order, tell)
            assert isinstance(slept, Slept)
            if slept.report.outcome == "nothing":
                return None
            report = slept.report
            if slept.worn.is_unsaved:  # it passed, but could not be written then
                worn = await self._engine.ask("soul.save", Save(why="sleep"))
                assert isinstance(worn, Worn)
                report = msgspec.structs.replace(report, outcome="kept", why="", level=worn.level)
            stamp = began.isoformat(timespec="milliseconds")
            report = msgspec.structs.replace(report, soul=reborn, began=stamp)
            slept = msgspec.structs.replace(slept, report=report)
            await asyncio.to_thread(self._reports.keep, report, began)
            if report.outcome == "kept":
                break
            log.warning("a night of soul %s was rolled back: %s", reborn, report.why)
        return slept

    def _plan(self, reborn: str, new: frozenset[str], taught: frozenset[str]) -> Sleep:
        order, _ = order_night(
            self._diary,
            reborn,
            wanted=new,
            taught=taught,
            reports=self._reports.all(),
            now=self._clock(),
        )
        return order

    def _kept(self, soul: str) -> list[SleepReport]:
        return [one for one in self._reports.all() if one.soul == soul and one.outcome == "kept"]

    async def _end(
        self,
        old: Old,
        life: Life,
        reborn: str,
        taught: frozenset[str],
        silent: int,
        tell: OnProgress,
    ) -> Reincarnated:
        """Examine the reborn soul; note and return how it compares with the old one."""
        rebirth = await asyncio.to_thread(self._rebirths.get, reborn)
        began = self._seconds()
        after, never = await self._examine(life, rebirth.asked, tell)
        kept = await asyncio.to_thread(self._kept, reborn)
        recall = compared(rebirth.before, after, never, out_of_date(kept))
        seconds = rebirth.seconds + self._seconds() - began
        newest = await asyncio.to_thread(lambda: self._souls.home(reborn).require_newest())
        card = Reincarnated(
            soul=old.name,
            reborn=reborn,
            body=rebirth.body,
            old_body=old.body_name,
            records=len(life.said),
            learned=sum(one.id in taught for one in life.said),
            left=sum(one.id in rebirth.left for one in life.said),
            silent=silent,
            gone=life.gone,
            nights=len(kept),
            level=newest.meta.level if newest.meta else 0,
            before=recall.before,
            after=recall.after,
            never=recall.never,
            problem=rebirth.problem,
            seconds=round(seconds, 1),
        )
        await self._note(reborn, card=card, seconds=seconds)
        return card

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time()

    async def _note(self, reborn: str, *, more_seconds: float = 0.0, **changes: Any) -> None:
        rebirth = await asyncio.to_thread(self._rebirths.get, reborn)
        rebirth = msgspec.structs.replace(rebirth, **changes)
        rebirth = msgspec.structs.replace(rebirth, seconds=rebirth.seconds + more_seconds)
        await asyncio.to_thread(self._rebirths.put, reborn, rebirth)


def out_of_date(kept: Iterable[SleepReport]) -> set[str]:
    """Return the records that a later one replaced, as some night found. Pure."""
    return {fact.id for report in kept for fact in report.facts if fact.replaced_by}


class Compared(NamedTuple):
    """Marks over the same records: of the old soul, the reborn one, and its bare body."""

    before: RecallMarks | None
    after: RecallMarks | None
    never: RecallMarks | None


def compared(
    before: Mapping[str, Mark] | None,
    after: Mapping[str, Mark],
    never: Mapping[str, Mark],
    left_out: Set[str],
) -> Compared:
    """Sum up what was asked of all, but for what is ``left_out``. Pure."""
    ids = [id_ for id_ in after if id_ not in left_out and (before is None or id_ in before)]
    return Compared(
        before=None if before is None else marks([before[id_] for id_ in ids]),
        after=marks([after[id_] for id_ in ids]),
        never=marks([never[id_] for id_ in ids]),
    )
