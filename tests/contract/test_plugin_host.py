"""Plugins of every bad kind: the others are not affected, and it is known whose fault it was."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sould.plugin import Turn
from sould.supervisor.plugins.keeper import Keeper
from tests.fakes.plugin_home import host, with_plugins

TURN = Turn(session="s", ts="t", soul="", body="b", text="Biscuit sleeps")
WAIT_S = 20.0


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in with_plugins().items():
        monkeypatch.setenv(name, value)


async def ask(keeper: Keeper, hook: str = "before_turn") -> dict[str, str]:
    """Return the notes that plugins add, by their names."""
    answers = await keeper.call(hook, {"turn": TURN}, WAIT_S)
    return {name: added.note for name, added in answers}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


async def until_ready(keeper: Keeper) -> None:
    await until(lambda: keeper.is_ready)


async def test_good_ones_are_asked_in_their_order() -> None:
    async with host("fake_note", "fake_policy", "fake_declares", "fake_first") as keeper:
        assert await ask(keeper) == {"fake_first": "first", "fake_note": "note on Biscuit"}
        assert list(await ask(keeper)) == ["fake_first", "fake_note"]
        (said,) = await keeper.call("memory_write_policy", {"turn": TURN}, WAIT_S) or [None]
        assert said is None
        declared = keeper.standings["fake_declares"]
        assert [job.method for job in declared.jobs] == ["soul.sleep"]
        assert [one.settings for one in declared.frontends] == [{"port": 7}]
        assert keeper.standings["fake_note"].hooks >= {"before_turn", "shutdown"}


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("fake_raises", "before_turn raised ValueError at "),
        ("fake_exits", "before_turn raised SystemExit at "),
        ("fake_blocks", "before_turn took longer than 100 ms"),
        ("fake_nonsense", "before_turn returned what it may not: Encoding objects of type object"),
    ],
)
async def test_a_failure_is_survived_and_the_third_disables(
    bad: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with host(bad, "fake_note", budget_s=0.1) as keeper:
        for strikes in (1, 2, 3, 3):
            assert await ask(keeper) == {"fake_note": "note on Biscuit"}
            assert keeper.standings[bad].strikes == strikes
        assert keeper.standings[bad].state == "disabled"
        assert keeper.standings["fake_note"].strikes == 0
    assert f"plugin {bad}: {what}" in caplog.text
    assert f"plugin {bad} is disabled until the daemon starts anew" in caplog.text
    assert "Biscuit" not in caplog.text


async def test_one_that_takes_the_host_with_it_is_found_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with host("fake_note", "fake_dies") as keeper:
        for strikes in (1, 2, 3):
            await until_ready(keeper)
            assert await ask(keeper) == {}
            assert keeper.standings["fake_dies"].strikes == strikes
            begun_s = time.monotonic()
            assert await ask(keeper) == {}  # nobody waits for the next host
            assert time.monotonic() - begun_s < 0.05
        await until_ready(keeper)
        assert await ask(keeper) == {"fake_note": "note on Biscuit"}
        assert keeper.standings["fake_note"].strikes == 0
    assert "plugin fake_dies: before_turn ended the plugin host: exit code 3" in caplog.text


@pytest.mark.parametrize("bad", ["fake_stuck", "fake_stubborn"])
async def test_one_that_does_not_come_back_is_ended_with_the_host(bad: str) -> None:
    async with host("fake_note", bad, budget_s=0.05) as keeper:
        assert await ask(keeper) == {}
        problem = "before_turn ended the plugin host: does not come back"
        assert (keeper.standings[bad].strikes, keeper.standings[bad].problem) == (1, problem)
        await until_ready(keeper)
        assert keeper.standings["fake_note"].strikes == 0


async def test_memory_that_is_used_up_comes_back_with_another_host() -> None:
    async with host("fake_leaks", "fake_note", budget_s=6, memory_bytes=1 << 26) as keeper:
        assert await ask(keeper) == {"fake_note": "note on Biscuit"}
        assert "raised MemoryError" in keeper.standings["fake_leaks"].problem
        await until(lambda: not keeper.is_ready)
        await until_ready(keeper)
        assert keeper.standings["fake_leaks"].strikes == 1


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("fake_unimportable", "raised RuntimeError at "),
        ("fake_misspelt", "there is no hook befor_turn; did you mean before_turn?"),
        ("fake_nothing", "fake_nothing implements no hook"),
        ("fake_nowhere", "there is no module fake_nowhere: install the plugin, or mend"),
    ],
)
async def test_one_that_cannot_be_used_says_why(bad: str, problem: str) -> None:
    async with host(bad, "fake_note") as keeper:
        assert await ask(keeper) == {"fake_note": "note on Biscuit"}
        assert keeper.standings[bad].state == "failed"
        assert keeper.standings[bad].problem.startswith(problem)


async def test_one_that_dies_while_it_is_imported_is_given_up() -> None:
    async with host("fake_dies_early", "fake_note") as keeper:
        assert await ask(keeper) == {}
        await until(lambda: keeper.standings["fake_dies_early"].state == "disabled")
        await until_ready(keeper)
        assert await ask(keeper) == {"fake_note": "note on Biscuit"}


async def test_settings_are_checked_before_they_are_used() -> None:
    settings = {"fake_note": {"recrd": "x"}}
    async with host("fake_note", "fake_first", settings=settings) as keeper:
        assert await ask(keeper) == {"fake_first": "first"}
        problem = keeper.standings["fake_note"].problem
        assert problem.startswith("plugins.settings.fake_note: Object contains unknown field")
        assert problem.endswith("its settings are: record, system")


async def test_without_plugins_there_is_no_process() -> None:
    async with host() as keeper:
        assert await ask(keeper) == {}
        assert keeper.pid is None


async def test_it_ends_when_the_supervisor_says_so_and_not_by_signal() -> None:
    async with host("fake_note") as keeper:
        await until_ready(keeper)
        pid = keeper.pid
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        assert await ask(keeper) == {"fake_note": "note on Biscuit"}
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_who_asks_early_waits_for_the_first_start_and_comes_after_the_beginning(
    tmp_path: Path,
) -> None:
    record = tmp_path / "record.jsonl"
    async with host("fake_note", settings={"fake_note": {"record": str(record)}}) as keeper:
        assert not keeper.is_ready
        assert await ask(keeper) == {"fake_note": "note on Biscuit"}
    hooks = [json.loads(line)[0] for line in record.read_text().splitlines()]
    assert hooks == ["daemon_ready", "before_turn", "shutdown"]


async def test_who_asks_waits_so_long_and_no_longer(caplog: pytest.LogCaptureFixture) -> None:
    async with host("fake_blocks", "fake_note", budget_s=0.5) as keeper:
        await until_ready(keeper)
        begun_s = time.monotonic()
        assert await keeper.call("before_turn", {"turn": TURN}, 0.1) == []
        assert time.monotonic() - begun_s < 0.4
        assert await ask(keeper) == {"fake_note": "note on Biscuit"}, "the late answer is not taken"
    assert "no answer of plugins to before_turn within 0.1 s" in caplog.text
