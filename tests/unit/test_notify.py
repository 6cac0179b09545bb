"""What the daemon tells the service manager that started it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sould.supervisor.notify import Notifier
from tests.fakes.notify_socket import NotifySocket

kinds = ["path"] + ["abstract"] * (sys.platform == "linux")


@pytest.fixture(params=kinds)
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifySocket]:
    abstract = f"@bit-ttt-test-{os.getpid()}-{tmp_path.name}"
    made = NotifySocket(str(tmp_path / "n") if request.param == "path" else abstract)
    yield made
    made.close()


def test_each_message_is_one_datagram(manager: NotifySocket) -> None:
    notifier = Notifier(manager.address)
    notifier.ready()
    notifier.status("loading\na  body")
    notifier.stopping()
    manager.await_("STOPPING=1")
    assert manager.said == ["READY=1", "STATUS=loading a body", "STOPPING=1"]


async def test_the_watchdog_is_fed_twice_in_its_time(manager: NotifySocket) -> None:
    beating = asyncio.create_task(Notifier(manager.address, 0.2).beat())
    await asyncio.sleep(0.55)
    beating.cancel()
    assert 3 <= manager.said.count("WATCHDOG=1") <= 6  # at 0, 0.1, … 0.5


async def test_without_a_watchdog_nothing_beats(manager: NotifySocket) -> None:
    await asyncio.wait_for(Notifier(manager.address).beat(), 1)
    await asyncio.wait_for(Notifier("", 0.1).beat(), 1)
    assert manager.said == []


def test_our_children_do_not_speak_for_us() -> None:
    environ = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "3", "WATCHDOG_PID": "1", "PATH": "/bin"}
    Notifier.from_environment(environ)
    assert environ == {"PATH": "/bin"}


@pytest.mark.parametrize(("pid", "is_watched"), [("", True), ("{own}", True), ("1", False)])
async def test_a_watchdog_for_another_process_is_not_ours(
    tmp_path: Path, pid: str, is_watched: bool
) -> None:
    manager = NotifySocket(str(tmp_path / "n"))
    environ = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "60000000",
        "WATCHDOG_PID": pid.format(own=os.getpid()),
    }
    beating = asyncio.create_task(Notifier.from_environment(environ).beat())
    await asyncio.sleep(0.05)
    assert beating.done() is not is_watched
    beating.cancel()
    manager.close()
    assert manager.said == ["WATCHDOG=1"] * is_watched


def test_a_manager_that_is_gone_is_noted_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(str(tmp_path / "gone"))
    with caplog.at_level(logging.WARNING):
        notifier.ready()
        notifier.stopping()
    assert [record.getMessage() for record in caplog.records] == [
        "the service manager cannot be told READY=1: [Errno 2] No such file or directory"
    ]


def test_a_socket_that_is_not_local_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": "vsock:2:1234"})
    notifier.ready()
    assert "vsock:2:1234" in caplog.text
    assert len(caplog.records) == 1
