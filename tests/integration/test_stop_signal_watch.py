"""``stop_signal`` is watched where the system's notices have run out too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.observers.api import BaseObserver, EventEmitter
from watchdog.observers.polling import PollingObserver

from sould.supervisor.stop_signal import StopSignal


class NoWatchesLeft(BaseObserver):
    """Fails as inotify does at its limit of watches per user."""

    def __init__(self) -> None:
        super().__init__(EventEmitter)

    def start(self) -> None:
        raise OSError(28, "inotify watch limit reached")


async def test_without_notices_the_file_is_looked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def observers() -> Iterator[BaseObserver]:
        yield NoWatchesLeft()
        yield PollingObserver(timeout=0.02)

    told: asyncio.Queue[str] = asyncio.Queue()

    def stop(target: str) -> list[str]:
        told.put_nowait(target)
        return [target]

    signal = StopSignal(tmp_path, stop, observers)
    await asyncio.to_thread(signal.watch)
    try:
        (tmp_path / "stop_signal").write_text("r12")
        assert await asyncio.wait_for(told.get(), 5) == "r12"
    finally:
        await asyncio.to_thread(signal.close)
    assert not (tmp_path / "stop_signal").exists()
    assert "cannot be watched by NoWatchesLeft" in caplog.text


async def test_a_file_that_nobody_can_watch_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    signal = StopSignal(tmp_path, lambda _: [], lambda: iter([NoWatchesLeft()]))
    await asyncio.to_thread(signal.watch)
    await asyncio.to_thread(signal.close)
    assert [r.levelno for r in caplog.records] == [logging.WARNING, logging.ERROR]
