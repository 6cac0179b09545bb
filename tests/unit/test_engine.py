"""What is asked of an engine that cannot serve it fails at once, instead of waiting for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from soul_client import codec
from soul_client.wire import Empty, Header, Kind
from sould.bridge import EngineReady
from sould.errors import EngineDied
from sould.supervisor.engine import Engine
from sould.supervisor.engine_process import EngineProcess


class Ready:
    """An engine process that says it is there, and nothing more."""

    pid = 1
    last_line = ""

    def __init__(self, on_frames: Callable[[list[bytes]], None]) -> None:
        self.sent: list[Header] = []
        ready = EngineReady(pid=1, torch="fake")
        frames = codec.pack(Header(kind=Kind.WELCOME), ready)
        asyncio.get_running_loop().call_soon(on_frames, frames)

    def send(self, header: Header, body: object = None) -> None:
        """Keep a frame."""
        self.sent.append(header)

    def kill(self) -> None:
        """Die silently."""


async def nothing(*_: object) -> None:
    pass


async def test_a_process_that_took_the_place_of_another_has_no_body_yet() -> None:
    """A turn that found a body may come here after that process died and this one was begun."""
    spawned: list[Ready] = []
    changed = asyncio.Event()

    def spawn(
        on_frames: Callable[[list[bytes]], None], on_exit: Callable[[int], None]
    ) -> EngineProcess:
        spawned.append(Ready(on_frames))
        return cast(EngineProcess, spawned[0])

    engine = Engine(
        spawn=spawn,
        load_request=lambda name: pytest.fail("nothing is loaded here"),
        idle_unload_s=0,
        cancel_grace_s=1,
        on_change=changed.set,
        on_loaded=nothing,
        before_end=nothing,
        on_gone=lambda how: None,
    )
    engine.warm()
    while engine.state != "ready":
        changed.clear()
        await changed.wait()
    for method in ("generate", "imprint", "soul.save", "soul.wear"):
        with pytest.raises(EngineDied):
            engine.begin(method, Empty())
    assert spawned[0].sent == []
