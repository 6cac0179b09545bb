"""What is due is asked for once, and noted before and after."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec import Struct

from soul_client.job_wire import JobStatus
from soul_client.wire import Empty, Error, ErrorCode
from sould.plugin import Daily, Every, Job
from sould.supervisor.job_notes import FILE, JobNotes, NightNote
from sould.supervisor.jobs import Jobs

TOKYO = ZoneInfo("Asia/Tokyo")
NAME = "soul_nightly/sleep"


def nightly(**changes: object) -> Job:
    when = Daily(at="03:30", time_zone="Asia/Tokyo", until="07:00")
    return Job(
        **{
            "name": "sleep",
            "when": when,
            "method": "soul.sleep",
            "idle_s": 600,
            "only_on_mains": True,
            "catch_up": True,
            **changes,
        }  # type: ignore[arg-type]
    )


class Home:
    """A daemon's jobs, with a clock, a battery and answers to set."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.now = datetime(2026, 11, 25, 12, tzinfo=TOKYO)
        self.idle_s = 1e6
        self.is_on_mains = True
        self.failing_looks = 0  # at the battery
        self.answers: list[Struct] = []
        self.asked: list[tuple[str, str, Struct]] = []
        self.changed = asyncio.Event()
        self.start()

    def start(self) -> None:
        """Begin anew, as after the daemon ended or was killed."""
        self.jobs = Jobs(
            notes=JobNotes(self.workspace),
            night=NightNote(self.workspace),
            ask=self.ask,
            idle_s=lambda: self.idle_s,
            clock=lambda: self.now,
            on_change=self.changed.set,
            quiet_s=15,
            on_mains=self.look_at_battery,
        )

    def look_at_battery(self) -> bool:
        if self.failing_looks:
            self.failing_looks -= 1
            raise OSError("no such battery")
        return self.is_on_mains

    async def ask(self, id_: str, method: str, params: Struct) -> Struct:
        self.asked.append((id_, method, params))
        return self.answers.pop(0) if self.answers else Empty()

    async def look_at(self, hour: int, minute: int = 0, *, day: int = 26) -> JobStatus:
        """Let the clock show that, look at it, and return what is said of the job."""
        self.now = datetime(2026, 11, day, hour, minute, tzinfo=TOKYO)
        await self.jobs.look()
        await self.rest()
        return self.jobs.status()[0]

    async def rest(self) -> None:
        """Wait until nothing is being done."""
        async with asyncio.timeout(10):
            while any(one.waiting_for == "" for one in self.jobs.status()):
                await self.changed.wait()
                self.changed.clear()


async def declared(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    await home.jobs.open()
    assert await home.jobs.declare({NAME: nightly()}) == {}
    return home


async def again(home: Home) -> None:
    home.jobs.close()
    home.start()
    await home.jobs.open()
    await home.jobs.declare({NAME: nightly()})


async def test_it_is_asked_for_once_a_night(tmp_path: Path) -> None:
    home = await declared(tmp_path)
    status = await home.look_at(3, 29)
    assert (status.waiting_for, status.last_at) == ("time", "") and not home.asked
    assert datetime.fromisoformat(status.next_at) == datetime(2026, 11, 26, 3, 30, tzinfo=TOKYO)
    status = await home.look_at(3, 30)
    assert home.asked == [(f"job-{NAME}", "soul.sleep", Empty())]
    assert datetime.fromisoformat(status.last_at) == home.now
    await home.look_at(4)
    await again(home)
    await home.look_at(5)
    assert len(home.asked) == 1
    await home.look_at(3, 31, day=27)
    assert len(home.asked) == 2


async def test_what_goes_wrong_while_it_looks_ends_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sould.supervisor.jobs.TICK_S", 0.01)
    home = await declared(tmp_path)
    home.failing_looks = 2
    home.now = datetime(2026, 11, 26, 3, 30, tzinfo=TOKYO)
    async with asyncio.timeout(5):
        while not home.asked:
            await home.changed.wait()
            home.changed.clear()
    assert home.failing_looks == 0 and "could not be looked at" in caplog.text


async def test_nights_without_a_daemon_are_caught_up_once(tmp_path: Path) -> None:
    home = await declared(tmp_path)
    home.now += timedelta(days=4)
    await again(home)
    home.idle_s = 30
    assert (await home.look_at(9, day=29)).waiting_for == "idle"
    home.idle_s = 601
    home.is_on_mains = False
    assert (await home.look_at(10, day=29)).waiting_for == "mains"
    home.is_on_mains = True
    await home.look_at(11, day=29)
    await home.look_at(12, day=29)
    assert len(home.asked) == 1


async def test_a_night_in_which_the_daemon_was_ended_is_tried_again(tmp_path: Path) -> None:
    home = await declared(tmp_path)
    home.answers = [Error(code=ErrorCode.SHUTTING_DOWN, message="the daemon is shutting down")]
    await home.look_at(3, 30)
    await again(home)
    assert (await home.look_at(3, 35)).waiting_for == "retry"
    await home.look_at(3, 41)
    await home.look_at(5)
    assert len(home.asked) == 2


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_a_night_that_is_resumed_is_the_one_of_its_date(
    tmp_path: Path, is_stopped: bool
) -> None:
    home = await declared(tmp_path)
    NightNote(tmp_path).begin()
    home.answers = [
        Error(code=ErrorCode.SHUTTING_DOWN, message="the daemon is shutting down"),
        Error(code=ErrorCode.BUSY, message="a soul is being reborn"),
        Error(code=ErrorCode.CANCELLED, message="stopped") if is_stopped else Empty(),
    ]
    await home.look_at(3, 30)
    home.idle_s = 14
    await again(home)
    await home.look_at(3, 35)
    home.idle_s = 1e6
    await home.look_at(3, 41)
    assert home.jobs.status()[1].waiting_for == "retry", "it waits for the other one"
    await home.look_at(3, 52)
    assert [id_ for id_, *_ in home.asked] == [f"job-{NAME}", "job-night", "job-night"]
    (status,) = home.jobs.status()
    assert (status.name, status.problem) == (NAME, "stopped" if is_stopped else "")
    NightNote(tmp_path).end()  # as whoever sleeps does
    await home.look_at(4, 15)
    await again(home)
    await home.look_at(5)
    assert len(home.asked) == 3
    await home.look_at(3, 30, day=27)
    assert home.asked[3:] == [(f"job-{NAME}", "soul.sleep", Empty())]


async def test_a_resumed_night_that_fails_is_left_to_the_job_that_had_begun_it(
    tmp_path: Path,
) -> None:
    home = await declared(tmp_path)
    NightNote(tmp_path).begin()
    home.answers = [
        Error(code=ErrorCode.SHUTTING_DOWN, message="the daemon is shutting down"),
        Error(code=ErrorCode.ENGINE_DIED, message="the engine died"),
    ]
    await home.look_at(3, 30)
    await again(home)
    await home.look_at(3, 35)
    await home.look_at(3, 41)
    assert [id_ for id_, *_ in home.asked] == [f"job-{NAME}", "job-night", f"job-{NAME}"]


async def test_what_fails_says_why_and_is_tried_again(tmp_path: Path) -> None:
    home = await declared(tmp_path)
    home.answers = [Error(code=ErrorCode.ENGINE_DIED, message="the engine died")] * 9
    status = await home.look_at(3, 30)
    assert (status.problem, status.waiting_for) == ("the engine died", "retry")
    for minute in (31, 41, 52):
        status = await home.look_at(3, minute)
    await home.look_at(5)
    assert len(home.asked) == 3
    home.answers = []
    assert (await home.look_at(3, 30, day=27)).problem == ""


async def test_what_somebody_stopped_is_not_tried_again(tmp_path: Path) -> None:
    home = await declared(tmp_path)
    home.answers = [Error(code=ErrorCode.CANCELLED, message="stopped")]
    await home.look_at(3, 30)
    await home.look_at(4)
    assert len(home.asked) == 1


async def test_what_cannot_be_noted_is_not_begun(tmp_path: Path) -> None:
    home = await declared(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    assert FILE in (await home.look_at(3, 30)).problem
    assert not home.asked
    (tmp_path / FILE).rmdir()
    await home.look_at(3, 41)
    assert len(home.asked) == 1
    assert json.loads((tmp_path / FILE).read_text())[NAME]["days"][-1] == "2026-11-26"


async def test_notes_that_cannot_be_read_let_nothing_be_done_twice(tmp_path: Path) -> None:
    home = await declared(tmp_path)
    await home.look_at(3, 30)
    (tmp_path / FILE).write_text("{")
    await again(home)
    await home.look_at(4)
    assert len(home.asked) == 1
    await home.look_at(3, 30, day=27)
    assert len(home.asked) == 2


async def test_what_cannot_be_done_is_refused_by_name(tmp_path: Path) -> None:
    home = Home(tmp_path)
    await home.jobs.open()
    wrong = {
        "a/b": nightly(method="soul.fly"),
        "a/c": nightly(method="soul.why", params={"question": 3}),
        "a/d": nightly(when=Daily(at="03:30", time_zone="Asia/Tokio")),
        "a/e": nightly(when=Every(seconds=60), only_on_mains=False),
    }
    problems = await home.jobs.declare(wrong)
    assert sorted(problems) == ["a/b", "a/c", "a/d"]
    assert "soul.fly" in problems["a/b"] and "Asia/Tokio" in problems["a/d"]
    assert [one.name for one in home.jobs.status()] == ["a/e"]
    assert await home.jobs.declare({}) == {} and home.jobs.status() == []


async def test_a_night_cut_short_begins_again_three_times_at_most(tmp_path: Path) -> None:
    night = NightNote(tmp_path)
    for tries in (1, 2):
        night.begin()
        home = Home(tmp_path)
        home.idle_s = 14
        await home.jobs.open()
        assert (await home.look_at(12)).waiting_for == "idle"
        assert [one.name for one in home.jobs.status()] == ["night"], tries
    home.idle_s = 15
    await home.jobs.look()
    await home.rest()
    assert home.jobs.status() == []
    assert [method for _, method, _ in home.asked] == ["soul.sleep"]
    night.begin()
    home = Home(tmp_path)
    await home.jobs.open()
    assert home.jobs.status() == [] and not night.was_cut_short()
    night.begin()
    assert night.was_cut_short()
    night.end()
    assert not night.was_cut_short()


async def test_a_night_that_is_refused_does_not_begin_at_every_start(tmp_path: Path) -> None:
    for code, is_over in ((ErrorCode.BUSY, False), (ErrorCode.BAD_REQUEST, True)):
        NightNote(tmp_path).begin()
        home = Home(tmp_path)
        home.answers = [Error(code=code, message="no")]
        home.idle_s = 15
        await home.jobs.open()
        await home.jobs.look()
        await home.rest()
        assert (home.jobs.status() == []) is is_over
        assert NightNote(tmp_path).was_cut_short() is not is_over
