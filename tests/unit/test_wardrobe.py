"""The soul in use, while it is put on again."""

from __future__ import annotations

import asyncio
from collections.abc import Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sould.bridge import Wear, Worn
from sould.config import load
from sould.errors import StorageError
from sould.soulfile.home import SoulFolder
from sould.supervisor import wardrobe as module
from sould.supervisor.engine_link import Call
from sould.supervisor.wardrobe import Wardrobe

NOW = datetime(2026, 3, 4, tzinfo=UTC)


class Engine:
    """Puts a soul on when it is let."""

    body = "a body"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled: list[Call] = []
        self.answers_others = False
        self.may = asyncio.Event()
        self.may.set()

    def begin(self, method: str, params: Any) -> Call:
        assert isinstance(params, Wear)
        self.asked.append(method)
        call = Call("1", method, lambda _: None, lambda _: None)
        worn = Worn(name=params.name, generation=3, level=7, saved="", since="", is_unsaved=False)

        async def put_on() -> None:
            await self.may.wait()
            if not call.future.done():
                call.future.set_result(worn)

        self.putting_on = asyncio.ensure_future(put_on())
        return call

    def is_answering_before(self, call: Call) -> bool:
        return self.answers_others

    def cancel(self, call: Call) -> None:
        self.cancelled.append(call)


class Learner:
    """Learns nothing, and remembers whom it was to teach."""

    pending = 0

    def __init__(self) -> None:
        self.taught: list[tuple[str, Set[str]]] = []

    def begin(self, soul: str, since: str, taught: Set[str], again: Set[str]) -> None:
        self.taught.append((soul, taught))

    async def known(self) -> None: ...

    def end(self) -> None: ...

    async def look(self, *args: object) -> None: ...


class Events:
    def publish(self, topic: str, body: object) -> None: ...


def wardrobe(folder: Path, engine: Engine, learner: Learner) -> Wardrobe:
    config = folder / "config.yaml"
    config.write_text("bit_ttt: 1\n", "utf-8")
    for name in ("mika", "aki"):
        (folder / name).mkdir()
    return Wardrobe(
        config=load(config),
        folder=SoulFolder(folder),
        name="mika",
        engine=engine,  # type: ignore[arg-type]
        learner=learner,  # type: ignore[arg-type]
        events=Events(),  # type: ignore[arg-type]
        clock=lambda: NOW,
        on_change=lambda: None,
    )


async def test_what_is_said_while_a_soul_is_put_on_again_is_said_to_it(tmp_path: Path) -> None:
    engine = Engine()
    mine = wardrobe(tmp_path, engine, Learner())
    engine.may.clear()
    first = asyncio.ensure_future(mine.put_on())
    await asyncio.sleep(0)
    assert mine.worn_name == "", "it was not worn yet"
    engine.may.set()
    await first
    assert (mine.worn_name, mine.is_worn) == ("mika", True)
    engine.may.clear()
    again = asyncio.ensure_future(mine.put_on())
    await asyncio.sleep(0)
    assert (mine.worn_name, mine.is_worn) == ("mika", False)
    other = asyncio.ensure_future(mine.change("aki"))
    engine.may.set()
    await again
    await other
    assert mine.worn_name == "aki"


async def test_a_night_that_was_kept_is_taken_note_of_without_the_engine(tmp_path: Path) -> None:
    engine, learner = Engine(), Learner()
    mine = wardrobe(tmp_path, engine, learner)
    await mine.put_on()
    morning = Worn(
        name="mika",
        **{"generation": 5, "level": 40, "saved": "now", "since": "", "is_unsaved": False},
        taught=["a"],
    )
    await mine.slept(morning)
    status = mine.status()
    assert (status.generation, status.level, status.worn) == (5, 40, True)
    assert engine.asked == ["soul.wear"] and learner.taught[-1] == ("mika", {"a"})
    mine.is_worn = False  # the engine is gone meanwhile
    await mine.slept(morning)
    assert len(learner.taught) == 2


async def test_the_engine_is_waited_for_as_long_as_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT_S", 0.05)
    monkeypatch.setattr(module, "ANSWER_LOOK_S", 0.01)

    engine = Engine()
    mine = wardrobe(tmp_path, engine, Learner())
    engine.may.clear()
    engine.answers_others = True
    asking = asyncio.ensure_future(mine.put_on())
    await asyncio.sleep(0.2)
    assert not asking.done()
    engine.answers_others = False
    await asking
    assert not mine.is_worn and "not answered within 0.05 s" in mine.status().problem
    assert len(engine.cancelled) == 1
    with pytest.raises(StorageError):
        await mine.change("aki")
