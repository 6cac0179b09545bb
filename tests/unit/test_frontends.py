"""Frontends are kept running, each end waits longer, and all they started ends with us."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from soul_client import codec, locate
from soul_client.wire import Event, FrontendStatus
from sould.plugin.declared import Frontend
from sould.supervisor.events import Events
from sould.supervisor.frontends import RUNNER, Frontends, Patience
from sould.supervisor.sockets import Sent

ROOT = Path(__file__).parents[2]
QUICK = Patience(first_s=0.05, longest_s=0.2, settled_s=60, grace_s=0.3)


class Kept:
    """Frontends with their events, and what the fake ones note."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes.jsonl"
        self.events: list[FrontendStatus] = []
        self.frontends = Frontends(
            config_path=folder / "config.yaml",
            events=Events(self._publish, on_publish=lambda *_: None),
            patience=QUICK,
        )

    def run(self, how: str, **settings: Any) -> None:
        """Have a plugin declare one."""
        frontend = Frontend(
            name="page",
            module="tests.fakes.fake_frontend",
            args=[how],
            settings={"notes": str(self.notes), **settings},
        )
        self.frontends.keep([("soul_page", frontend)])

    async def noted(self, count: int) -> list[Any]:
        """Wait until so many have begun, and return what they noted."""
        await until(
            lambda: self.notes.exists() and len(self.notes.read_text().splitlines()) >= count
        )
        return [json.loads(line) for line in self.notes.read_text().splitlines()]

    @property
    def status(self) -> FrontendStatus:
        return self.frontends.status()[0]

    def _publish(self, frames: list[bytes]) -> Sent:
        event = codec.convert(codec.unpack(frames)[1], Event)
        assert event.name == "frontend"
        self.events.append(msgspec.convert(event.data, FrontendStatus))
        return Sent.OK


async def until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    until_s = asyncio.get_running_loop().time() + timeout_s
    while not holds():
        assert asyncio.get_running_loop().time() < until_s
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def findable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes find the fake frontend."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    await kept.frontends.close()


def test_each_end_waits_twice_as_long_up_to_a_bound() -> None:
    patience = Patience(first_s=1, longest_s=300)
    waits = [patience.delay_s(failures) for failures in (1, 2, 3, 9, 10, 5000)]
    assert waits == [1, 2, 4, 256, 300, 300]


async def test_frontend_is_told_where_it_is_and_how_it_is_set(kept: Kept, tmp_path: Path) -> None:
    kept.run("stay", text="ソウル")
    (note,) = await kept.noted(1)
    assert note["argv"] == ["stay"]
    assert note["config"] == str(tmp_path / "config.yaml")
    assert note["settings"] == {"notes": str(kept.notes), "text": "ソウル"}
    assert note["stdin"] == ""  # the life line is not for it to read
    status = kept.status
    assert (status.plugin, status.name, status.state) == ("soul_page", "page", "running")
    assert status.pid == note["pid"] and kept.events == [status]


async def test_frontend_that_ends_is_started_again_later_and_later(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        kept.run("fail")
        await kept.noted(3)
        await until(lambda: kept.status.restarts >= 3)
    assert "exit code 3" in kept.status.problem and "my words" in kept.status.problem
    states = [event.state for event in kept.events[:5]]
    assert states == ["running", "waiting", "running", "waiting", "running"]
    delays = [r.args[-1] for r in caplog.records if r.levelname == "WARNING"]  # type: ignore[index]
    assert delays[:3] == [0.05, 0.1, 0.2]
    assert "soul_page" in caplog.text and "page" in caplog.text
    assert "my words" not in caplog.text  # somebody may have said them


async def test_frontend_that_ran_for_a_while_begins_anew(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    patience = msgspec.structs.replace(QUICK, settled_s=0.0, longest_s=60)
    kept.frontends = Frontends(
        config_path=tmp_path / "config.yaml",
        events=Events(kept._publish, on_publish=lambda *_: None),
        patience=patience,
    )
    kept.run("fail")
    await kept.noted(4)  # after 0.05 s each time; else the fourth would come after 0.35 s
    assert kept.status.restarts >= 3
    await kept.frontends.close()


async def test_end_ends_what_does_not_listen_and_what_it_started(kept: Kept) -> None:
    kept.run("stubborn")
    (note,) = await kept.noted(1)
    assert locate.is_alive(note["pid"]) and locate.is_alive(note["helper"])
    await kept.frontends.close()
    assert not locate.is_alive(note["pid"])
    await until(lambda: not locate.is_alive(note["helper"]))
    assert kept.frontends.status() == []
    assert kept.events[-1].state == "ended" and kept.events[-1].pid == 0


async def test_one_that_waits_is_not_started_after_the_end(kept: Kept) -> None:
    kept.run("fail")
    await until(lambda: kept.frontends.status()[0].state == "waiting")
    count = len(await kept.noted(1))
    await kept.frontends.close()
    await asyncio.sleep(0.3)
    assert len(await kept.noted(1)) == count


async def test_what_a_killed_frontend_started_ends_too(kept: Kept) -> None:
    kept.run("stubborn")
    (note,) = await kept.noted(1)
    os.kill(note["pid"], signal.SIGKILL)
    await until(lambda: not locate.is_alive(note["helper"]))
    await until(lambda: kept.status.restarts == 1)
    assert "SIGKILL" in kept.status.problem


async def test_what_is_declared_is_what_runs(kept: Kept) -> None:
    kept.run("stay")
    (first,) = await kept.noted(1)
    kept.run("stay")  # as before
    assert kept.status.pid == first["pid"]
    kept.run("stay", colour="red")
    _, second = await kept.noted(2)
    assert second["settings"]["colour"] == "red" and kept.status.pid == second["pid"]
    await until(lambda: not locate.is_alive(first["pid"]))
    kept.frontends.keep([])
    assert kept.frontends.status() == []
    await until(lambda: not locate.is_alive(second["pid"]))
    await kept.frontends.close()
    assert [event.state for event in kept.events].count("ended") == 2


async def test_nothing_begins_after_the_end(kept: Kept) -> None:
    await kept.frontends.close()
    kept.run("stay")
    assert kept.frontends.status() == []


async def test_module_that_is_not_there_is_a_problem_and_no_more(kept: Kept) -> None:
    kept.frontends.keep([("soul_page", Frontend(name="page", module="no.such_module"))])
    await until(lambda: kept.status.restarts > 0)
    assert "no.such_module" in kept.status.problem or "No module" in kept.status.problem


def test_frontend_ends_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    notes = tmp_path / "notes.jsonl"
    process = subprocess.Popen(
        [*RUNNER, "tests.fakes.fake_frontend", "stay"],
        stdin=subprocess.PIPE,
        env={**os.environ, "BIT_TTT_CONFIG": "config.yaml"},
        start_new_session=True,
    )
    assert process.stdin is not None
    with process.stdin as life_line:
        life_line.write(json.dumps({"notes": str(notes)}).encode() + b"\n")
        life_line.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
    assert process.wait(20) == -signal.SIGTERM


def test_runner_without_a_module_says_how() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sould", "run-frontend"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "usage" in done.stderr
