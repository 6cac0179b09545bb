"""What the clients ask about souls: every parameter arrives, every answer comes back typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soul_client import wire
from soul_client.async_client import AsyncClient
from soul_client.client import Client
from soul_client.wire import Kind
from tests.fakes.fake_daemon import FakeDaemon, answer, fake_daemon

STATUS = wire.SoulStatus(name="mika", level=7)
FILE = wire.SoulFile(name="mika", path="/x.soul", size_bytes=1)
REPORT = wire.SleepReport(
    outcome="kept",
    before=wire.SleepMarks(recalled=1, facts=3, drift=0.5),
    after=wire.SleepMarks(recalled=3, facts=3, drift=0.25),
)
CASES: list[tuple[str, str, tuple[Any, ...], dict[str, Any], dict[str, Any], Any]] = [
    ("souls", "soul.list", (), {}, {}, wire.SoulList(souls=[])),
    ("soul_use", "soul.use", ("mika",), {}, {"name": "mika"}, STATUS),
    ("soul_new", "soul.new", ("mika",), {}, {"name": "mika"}, STATUS),
    ("soul_save", "soul.save", (), {}, {"name": ""}, STATUS),
    ("soul_save", "soul.save", ("mika",), {}, {"name": "mika"}, STATUS),
    ("soul_load", "soul.load", ("/x.soul",), {}, {"source": "/x.soul"}, STATUS),
    (
        "soul_history", "soul.history", ("mika",), {}, {"name": "mika"},
        wire.SoulGenerations(name="mika", generations=[wire.Generation(number=1)]),
    ),
    ("soul_undo", "soul.undo", (2,), {}, {"steps": 2, "to": None}, STATUS),
    ("soul_undo", "soul.undo", (), {"to": 5}, {"steps": 1, "to": 5}, STATUS),
    ("soul_reset", "soul.reset", (), {}, {}, STATUS),
    ("soul_sleep", "soul.sleep", (), {}, {}, REPORT),
    ("soul_report", "soul.report", (), {}, {}, REPORT),
    (
        "soul_reports", "soul.reports", (5,), {}, {"limit": 5},
        wire.SleepReports(soul="mika", reports=[REPORT]),
    ),
    (
        "soul_forget", "soul.forget", ("cats",), {"wait": True},
        {"what": "cats", "dry_run": False, "wait": True, "document": False},
        wire.Forgotten(
            soul="mika", records=[wire.DiaryRecord(id="1u", ts="", text="I like cats.")],
            before=wire.RecallMarks(recalled=1, facts=1, log_p=-0.5),
        ),
    ),
    (
        "soul_reincarnate", "soul.reincarnate", ("mika", "other"), {"accept": True},
        {"name": "mika", "body": "other", "accept": True},
        wire.Reincarnated(
            soul="mika", reborn="mika", body="other", old_body="tiny", records=2, learned=1,
            after=wire.RecallMarks(recalled=1, facts=1, log_p=-0.5),
        ),
    ),
    (
        "soul_export", "soul.export", ("/x.soul", "mika"), {"replace": True},
        {"path": "/x.soul", "name": "mika", "replace": True, "original": False}, FILE,
    ),
    (
        "soul_import", "soul.import", ("/x.soul", "mika"), {},
        {"path": "/x.soul", "name": "mika"}, FILE,
    ),
    (
        "soul_verify", "soul.verify", ("/x.soul",), {}, {"path": "/x.soul"},
        wire.SoulVerified(path="/x.soul", faults=["torn"], fits=None),
    ),
    (
        "soul_diff", "soul.diff", ("", "mika@3", ("Who am I?",)), {},
        {"a": "", "b": "mika@3", "probes": ["Who am I?"]},
        wire.SoulDifference(
            a="", b="mika@3", probes=[wire.Probed(ask="Who am I?", a="?", b="Mika.")],
            layers=[wire.LayerNorms(layer=0, a=[0.0], b=[0.5], change=[0.5])],
        ),
    ),
    (
        "soul_why", "soul.why", ("Who am I?", "Mika."), {},
        {"question": "Who am I?", "answer": "Mika."},
        wire.SoulReasons(
            soul="mika", question="Who am I?", answer="Mika.", tokens=2, bare=-3.0,
            generations=[
                wire.GenerationRise(
                    number=2, saved="", why="sleep", level=7, taught=1, log_p=-1.0, rise=2.0
                )
            ],
            records=[wire.RecordRise(id="a", ts="", text="I am Mika.", generation=2, rise=1.5)],
            weighed=1, gone=["b"],
        ),
    ),
    (
        "text_score", "text.score", (("one", "two"),), {"bare": True},
        {"texts": ["one", "two"], "bare": True},
        wire.TextScored(tokens=[3, 4], nats=[1.5, 2.5]),
    ),
]  # fmt: skip


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with fake_daemon(tmp_path) as running:
        for _, method, _, _, _, result in CASES:
            running.scripts[method] = answer((Kind.ACK, wire.Ack()), (Kind.DONE, result))
        yield running


def test_every_method_about_souls_is_here() -> None:
    methods = {name for name in wire.RPC_METHODS if name.startswith(("soul.", "text."))}
    assert {case[1] for case in CASES} == methods


def test_the_sync_client(daemon: FakeDaemon) -> None:
    with Client(daemon.config) as client:
        for name, method, args, kwargs, params, result in CASES:
            assert getattr(client, name)(*args, **kwargs) == result
            header, raw = daemon.requests[-1]
            assert (header.method, raw) == (method, params)


async def test_the_async_client(daemon: FakeDaemon) -> None:
    async with AsyncClient(daemon.config) as client:
        for name, method, args, kwargs, params, result in CASES:
            assert await getattr(client, name)(*args, **kwargs) == result
            header, raw = daemon.requests[-1]
            assert (header.method, raw) == (method, params)


async def test_a_bare_reply_is_asked_for(daemon: FakeDaemon) -> None:
    with Client(daemon.config) as client:
        client.ask("hi", bare=True)
        assert daemon.requests[-1][1]["bare"] is True
        client.chat("hi", bare=True).wait()
        assert daemon.requests[-1][1]["bare"] is True
        client.ask("hi")
        assert daemon.requests[-1][1]["bare"] is False
    async with AsyncClient(daemon.config) as client_:
        await client_.ask("hi", bare=True)
        assert daemon.requests[-1][1]["bare"] is True
