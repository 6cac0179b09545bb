"""The async client against real sockets and a scripted daemon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soul_client import calls, wire
from soul_client.async_client import AsyncClient
from soul_client.errors import ConnectionLost, DaemonError, NotRunning, TimedOut, WireError
from soul_client.wire import ErrorCode, Header, Kind
from tests.fakes.fake_daemon import Answer, FakeDaemon, answer, endless_chat, fake_daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with fake_daemon(tmp_path) as running:
        yield running


@pytest.fixture
async def client(daemon: FakeDaemon) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(daemon.config) as connected:
        yield connected


async def wait_until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - a thread makes it true
            await asyncio.sleep(0.005)


async def test_a_reply_streams_whole_and_says_its_session(client: AsyncClient) -> None:
    updates: list[Any] = []
    reply = await client.chat("日本 🙂", session="s7", on_update=updates.append)
    assert [piece async for piece in reply] == list("日本 🙂")
    assert reply.done is not None and reply.done.text == "日本 🙂"
    assert (reply.session, reply.done.session) == ("s7", "s7")
    assert [type(update) for update in updates] == [wire.Ack, wire.Progress]


async def test_many_tasks_share_a_client(client: AsyncClient) -> None:
    texts = [f"number {n}" for n in range(20)]
    done = await asyncio.gather(*(client.ask(text) for text in texts))
    assert [one.text for one in done] == texts


async def test_ping_status_and_request_by_name(client: AsyncClient) -> None:
    assert 0 < await client.ping() < 1
    assert (await client.status()).body_configured == "smollm2"
    assert (await (await client.request("daemon.status")).wait()).daemon_id == "fake"


async def test_an_error_of_the_daemon_is_raised_with_its_code(client: AsyncClient) -> None:
    with pytest.raises(DaemonError) as caught:
        await client.body_load("x")
    assert caught.value.code is ErrorCode.UNKNOWN_METHOD


async def test_leaving_the_loop_stops_the_reply(client: AsyncClient, daemon: FakeDaemon) -> None:
    daemon.scripts["chat.send"] = endless_chat
    reply = await client.chat("sing")
    async for _ in reply:
        break
    await wait_until(lambda: reply.stream.id in daemon.cancelled)
    assert (await reply.stop()).finish == "cancelled"


async def test_a_cancelled_task_stops_the_reply(client: AsyncClient, daemon: FakeDaemon) -> None:
    daemon.scripts["chat.send"] = endless_chat
    reply = await client.chat("sing")
    task = asyncio.create_task(reply.wait())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until(lambda: reply.stream.id in daemon.cancelled)


async def test_stop_before_anything_was_read_does_not_overtake_the_request(
    client: AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.scripts["chat.send"] = endless_chat
    assert (await (await client.chat("sing")).stop()).finish == "cancelled"
    kinds = [header.kind for header, _ in daemon.requests]
    assert kinds.index(Kind.REQ) < kinds.index(Kind.CANCEL)


async def test_a_time_limit_stops_the_request(client: AsyncClient, daemon: FakeDaemon) -> None:
    daemon.scripts["chat.send"] = endless_chat
    stream = await client.start(calls.chat("sing"), timeout_s=0.1)
    with pytest.raises(TimedOut):
        await stream.wait()
    await wait_until(lambda: stream.id in daemon.cancelled)


async def test_a_daemon_that_dies_is_noticed_at_once(
    client: AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.scripts["chat.send"] = answer((Kind.ACK, wire.Ack()))
    reply = await client.chat("hello")
    start_s = time.monotonic()
    asyncio.get_running_loop().call_later(0.1, daemon.stop)
    with pytest.raises(ConnectionLost, match="went away"):
        await reply.wait()
    assert time.monotonic() - start_s < 1.5


async def test_the_next_request_finds_the_next_daemon(
    client: AsyncClient, daemon: FakeDaemon
) -> None:
    daemon.stop()
    with pytest.raises((ConnectionLost, NotRunning)):  # the second, once the loss was noticed
        await client.ping()
    with pytest.raises(NotRunning):
        await client.ask("nobody?")
    with fake_daemon(daemon.config.parent):
        assert (await client.ask("again")).text == "again"
        await client.close()


async def test_a_silent_daemon_is_pinged_then_given_up(daemon: FakeDaemon) -> None:
    async with AsyncClient(daemon.config, silence_s=0.3) as client:
        daemon.is_silent = True
        with pytest.raises(ConnectionLost, match="alive but silent"):
            await client.ask("hello?")


async def test_a_working_daemon_is_pinged_and_waited_for(daemon: FakeDaemon) -> None:
    def slow(daemon: FakeDaemon, header: Header, raw: Any) -> Iterator[Answer | None]:
        yield Kind.ACK, wire.Ack()
        until_s = time.monotonic() + 0.6
        while time.monotonic() < until_s:
            yield None
        yield Kind.DONE, wire.Empty()

    daemon.scripts["body.unload"] = slow
    async with AsyncClient(daemon.config, silence_s=0.3) as client:
        await client.body_unload()
    assert daemon.pings >= 2


async def test_a_turn_in_the_place_of_another_and_a_setting(
    client: AsyncClient, daemon: FakeDaemon
) -> None:
    said = [wire.ChatMessage(role="assistant", text="Hi!")]
    await client.ask("hello", session="s", history=said, replaces="1u")
    sent = daemon.requests[-1][1]
    assert (sent["replaces"], sent["history"][0]["text"]) == ("1u", "Hi!")
    shown = wire.ConfigShown(path="/c.yaml", values={"memory": False})
    daemon.scripts["config.set"] = answer((Kind.ACK, wire.Ack()), (Kind.DONE, shown))
    assert await client.config_set("memory", False) == shown
    assert daemon.requests[-1][1] == {"key": "memory", "value": False}


async def test_nobody_at_the_endpoint(daemon: FakeDaemon) -> None:
    daemon.stop()
    with pytest.raises(NotRunning, match="listens at ipc"):
        async with AsyncClient(daemon.config):
            pass


async def test_frames_out_of_turn_are_an_error(client: AsyncClient, daemon: FakeDaemon) -> None:
    daemon.scripts["body.list"] = answer((Kind.CHUNK, wire.Chunk(text="x")), (Kind.ACK, wire.Ack()))
    with pytest.raises(WireError, match="out of turn"):
        await client.body_list()


async def test_events_and_the_state_after_a_gap(client: AsyncClient, daemon: FakeDaemon) -> None:
    async with client.events() as events:
        assert (await events.read()).event.name == "welcome"
        daemon.publish("turn", {"session": "s1"})
        daemon.publish("turn", {"session": "s1"}, lose=2)
        seen = []
        async for one in events:
            seen.append((one.event.name, one.missed))
            if len(seen) == 3:
                break
        assert seen == [("turn", 0), ("turn", 2), ("state", 0)]
        daemon.stop()
        with pytest.raises(ConnectionLost):
            await events.read()
