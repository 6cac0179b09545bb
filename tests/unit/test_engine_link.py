"""A call belongs to the engine it was made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from msgspec import Struct

from soul_client.wire import Empty, Header, Kind
from sould.supervisor.engine_link import Call, EngineLink
from sould.supervisor.engine_process import EngineProcess


class Silent:
    """An engine process that takes everything and says nothing."""

    pid = 1
    last_line = ""

    def __init__(self) -> None:
        self.sent: list[Header] = []

    def send(self, header: Header, body: Struct | None = None) -> None:
        """Keep a frame."""
        self.sent.append(header)


def link_to(process: Silent) -> EngineLink:
    def spawn(
        on_frames: Callable[[list[bytes]], None], on_exit: Callable[[int], None]
    ) -> EngineProcess:
        return cast(EngineProcess, process)

    return EngineLink(spawn, cancel_grace_s=9, on_change=lambda: None, on_exit=lambda _: None)


def begin(link: EngineLink) -> Call:
    return link.begin("memory", Empty(), lambda _: None, lambda _: None)


async def test_a_call_of_an_engine_that_died_stops_nothing_in_the_next() -> None:
    old, new = Silent(), Silent()
    stale, fresh = begin(link_to(old)), begin(link := link_to(new))
    assert stale.id == fresh.id
    link.cancel(stale)
    assert [header.kind for header in new.sent] == [Kind.REQ]
    link.cancel(fresh)
    assert [header.kind for header in new.sent] == [Kind.REQ, Kind.CANCEL]
