"""``soul.why``: which generations and which diary records made an answer likelier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from soul_client.wire import GenerationRise, RecordRise, SoulReasons, SoulWhy
from sould.bridge import Trace, Traced
from sould.errors import SoulMissing
from sould.soulfile.history import meta_of
from sould.soulfile.home import SoulFolder
from sould.supervisor import lineage, shelf
from sould.supervisor.diary import Diary, Record
from sould.supervisor.engine import Engine
from sould.supervisor.learner import Learner
from sould.supervisor.lineage import Lineage
from sould.supervisor.loaded import loaded
from sould.supervisor.request import Request
from sould.supervisor.scheduler import Scheduler
from sould.supervisor.waiting import told_of
from sould.supervisor.wardrobe import Wardrobe

MOST_SHOWN = 3
LEAST_SHARE = 0.5
"""A record that explains less of an answer than so much of what the best one does is not shown."""


class Provenance:
    """Handler. Nothing is changed but that the soul is saved; ``system``: the configured prompt."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        engine: Engine,
        learner: Learner,
        wardrobe: Wardrobe,
        folder: SoulFolder,
        diary: Diary,
        system: Callable[[], str],
        body_name: Callable[[], str],
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._learner = learner
        self._wardrobe = wardrobe
        self._folder = folder
        self._diary = diary
        self._system = system
        self._body_name = body_name

    async def why(self, request: Request, params: SoulWhy) -> SoulReasons:
        """Trace an answer back to the generations of the soul in use, and to what was told."""
        async with (
            self._scheduler.slot(request),
            loaded(self._engine, self._body_name(), request),
        ):
            home = self._folder.home(await self._saved())
            line = await asyncio.to_thread(lineage.read, home)
            traced = await self._trace(request, params, line)
            rises = generation_rises(line, traced.souls)
            reasons = SoulReasons(
                soul=home.name,
                question=params.question,
                answer=traced.answer,
                tokens=traced.tokens,
                bare=traced.souls[0],
                generations=rises,
                records=[],
            )
            if not any(one.rise > 0 for one in rises):
                return reasons
            return await self._with_records(request, reasons, line)

    async def _saved(self) -> str:
        """Return the soul in use, once the newest generation is what is worn."""
        soul = self._wardrobe.status()
        if not soul.worn:
            raise SoulMissing(f"soul '{soul.name}' is not worn: {soul.problem}")
        if soul.unsaved:  # else a night may go on: nothing is learned meanwhile
            async with self._learner.stopped():
                await self._wardrobe.save("why")
        return soul.name

    async def _trace(self, request: Request, params: SoulWhy, line: Lineage) -> Traced:
        order = Trace(
            question=params.question,
            answer=params.answer,
            souls=["", *(str(one.path) for one in line.generations)],
            system=self._system(),
        )
        return await self._ask(request, order)

    async def _with_records(
        self, request: Request, reasons: SoulReasons, line: Lineage
    ) -> SoulReasons:
        rises = [one.rise for one in reasons.generations]
        ids = line.candidates(rises.index(max(rises)))
        records = await asyncio.to_thread(lineage.find, self._diary, ids)
        order = Trace(
            question=reasons.question,
            answer=reasons.answer,
            told=[told_of(record) for record in records],
            system=self._system(),
        )
        traced = await self._ask(request, order)
        found = {record.id for record in records}
        return msgspec.structs.replace(
            reasons,
            records=shown(record_rises(line, records, traced, reasons.bare)),
            weighed=len(records),
            gone=[id_ for id_ in ids if id_ not in found],
        )

    async def _ask(self, request: Request, order: Trace) -> Traced:
        traced = await request.race(self._engine.ask("soul.why", order, request.progress))
        assert isinstance(traced, Traced)
        return traced


def generation_rises(line: Lineage, log_ps: Sequence[float]) -> list[GenerationRise]:
    """Say how much likelier each generation made the answer; ``log_ps``: bare first. Pure."""
    return [
        GenerationRise(
            number=one.number,
            saved=meta_of(one).saved,
            why=shelf.config_text(one, "why"),
            level=meta_of(one).level,
            taught=len(line.new_in(n)),
            log_p=log_ps[n + 1],
            rise=log_ps[n + 1] - log_ps[n],
            older=n == 0 and not line.is_whole,
        )
        for n, one in enumerate(line.generations)
    ]


def record_rises(
    line: Lineage, records: Sequence[Record], traced: Traced, bare: float
) -> list[RecordRise]:
    """Say how much likelier each record makes the answer to the bare body. Pure."""
    usual = max(bare, traced.unrelated)
    return [
        RecordRise(
            id=record.id,
            ts=record.ts,
            text=weighed.text,
            generation=line.first_taught(record.id),
            rise=weighed.log_p - usual,
        )
        for record, weighed in zip(records, traced.told, strict=True)
    ]


def shown(rises: Sequence[RecordRise]) -> list[RecordRise]:
    """Return the records that explain the answer, the best first: few, or none. Pure."""
    ranked = sorted(rises, key=lambda one: one.rise, reverse=True)[:MOST_SHOWN]
    least = LEAST_SHARE * ranked[0].rise if ranked else 0.0
    return [one for one in ranked if one.rise > 0 and one.rise >= least]
