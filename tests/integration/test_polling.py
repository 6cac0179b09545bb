"""Where the system sends no notices, what is watched is looked at again and again."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers.api import BaseObserver

from soul_client import codec
from soul_client.wire import Header
from sould.supervisor.events import Events
from sould.supervisor.looker import Looker
from sould.supervisor.models_watch import ModelsWatch
from sould.supervisor.notices import Notices
from sould.supervisor.sockets import Sent

GGUF = b"GGUF" + bytes(28)
LONG_AGO = (1_000_000_000, 1_000_000_000)


def no_observer() -> BaseObserver:
    raise OSError(24, "inotify instance limit reached")


async def test_without_notices_a_new_body_is_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def send(frames: list[bytes]) -> Sent:
        header, body = codec.unpack(frames)
        assert isinstance(header, Header)
        told.put_nowait(body)
        return Sent.OK

    events = Events(send, on_publish=lambda name, ts, data: None)
    watch, notices = ModelsWatch(tmp_path, events), Notices(no_observer)
    await asyncio.to_thread(watch.watch, notices)
    assert await watch.bodies() == []
    assert watch.mode == "polling"
    assert "inotify instance limit reached" in caplog.text
    path = tmp_path / "new.gguf"
    path.write_bytes(GGUF)
    os.utime(path, LONG_AGO)
    event = await asyncio.wait_for(told.get(), 5)
    assert event["name"] == "bodies"
    assert event["data"]["changes"] == [{"kind": "added", "name": "new", "was": ""}]
    watch.close()
    await asyncio.to_thread(notices.close)


async def test_many_notices_are_one_look_and_one_more_if_it_wants_it() -> None:
    looks: asyncio.Queue[None] = asyncio.Queue()

    async def look() -> float | None:
        looks.put_nowait(None)
        return 0.01 if looks.qsize() == 1 else None

    looker = Looker(look)
    for _ in range(1000):
        looker.notice()
    await asyncio.sleep(0.4)
    looker.close()
    assert looks.qsize() == 2
