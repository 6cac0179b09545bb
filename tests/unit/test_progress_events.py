"""Progress events: of long requests only, not too often, and never after the end."""

from __future__ import annotations

import asyncio
from typing import Any

from soul_client.wire import Progress
from sould.supervisor.events import Events
from sould.supervisor.progress_events import EVERY_S, ProgressEvents
from sould.supervisor.sockets import Sent


class Heard:
    """An event stream that is remembered."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int]] = []
        self.progress = ProgressEvents(Events(lambda frames: Sent.OK, self._hear))

    def _hear(self, name: str, ts: str, data: dict[str, Any]) -> None:
        assert (name, data["method"]) == ("progress", "soul.sleep")
        self.done.append((data["id"], data["progress"]["done"]))

    def tell(self, id_: str, done: int, method: str = "soul.sleep") -> None:
        self.progress.tell(id_, method, Progress(stage="dreaming", done=done))


async def test_the_first_at_once_then_the_newest_after_a_while() -> None:
    heard = Heard()
    for n in range(5):
        heard.tell("a", n)
    heard.tell("b", 7)
    assert heard.done == [("a", 0), ("b", 7)]
    await asyncio.sleep(EVERY_S * 1.5)
    assert heard.done == [("a", 0), ("b", 7), ("a", 4)]
    heard.tell("a", 5)
    assert len(heard.done) == 3  # too soon after that one


async def test_nothing_after_the_end_and_nothing_of_short_requests() -> None:
    heard = Heard()
    heard.tell("a", 0)
    heard.tell("a", 1)
    heard.progress.end("a")
    heard.tell("c", 0, method="chat.send")
    await asyncio.sleep(EVERY_S * 1.5)
    assert heard.done == [("a", 0)]
    heard.tell("a", 2)
    assert heard.done[-1] == ("a", 2)
