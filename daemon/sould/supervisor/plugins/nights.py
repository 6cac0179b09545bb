"""What plugins have to say about a night."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from soul_client.wire import SleepReport
from sould.bridge import Sleep
from sould.plugin.structs import Night, Report, Told
from sould.supervisor.plugins.dreams import choose
from sould.supervisor.plugins.hooks import Plugins

log = logging.getLogger(__name__)


async def select(plugins: Plugins, night: Night, order: Sleep) -> Sleep:
    """Return a night's order without what plugins leave out of it."""
    told = _told(order)
    chosen = await plugins.select_replay(night, told)
    return order if len(chosen) == len(told) else only(order, chosen)


async def with_dreams(plugins: Plugins, night: Night, order: Sleep) -> Sleep:
    """Return a night's order with what of the plugins' dreams may be dreamt."""
    told = _told(order)
    offered = await plugins.make_dreams(night, told)
    if not offered:
        return order
    dreams, faults = await asyncio.to_thread(choose, offered, {one.id: one for one in told})
    for plugin, why, count in faults:
        log.warning("plugin %s: %d of its dreams are left out: %s", plugin, count, why)
    return msgspec.structs.replace(order, dreams=dreams)


def _told(order: Sleep) -> list[Told]:
    return [
        Told(
            id=one.id,
            text=one.text,
            source=one.source,
            nights=order.nights.get(one.id, 0),
            is_resting=one.id in order.resting,
        )
        for one in order.records
    ]


def only(order: Sleep, chosen: set[str]) -> Sleep:
    """Return an order that goes over these records alone. Pure."""
    resting = [id_ for id_ in order.resting if id_ in chosen]
    nights = {id_: count for id_, count in order.nights.items() if id_ in chosen}
    return msgspec.structs.replace(
        order,
        records=[one for one in order.records if one.id in chosen],
        nights=nights,
        resting=resting,
        is_due=order.is_due and bool(nights.keys() - set(resting)),
        is_all=False,
    )


def told_of(report: SleepReport) -> Report:
    """Return a report as plugins get it. Pure."""
    after = report.after
    return Report(
        soul=report.soul,
        began=report.began,
        outcome=report.outcome,
        why=report.why,
        facts=after.facts if after else 0,
        recalled=after.recalled if after else 0,
    )
