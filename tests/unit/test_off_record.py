"""Off the record: how long, and how much, the daemon keeps in memory."""

from __future__ import annotations

import asyncio

from soul_client.wire import ChatMessage
from sould.supervisor.off_record import MAX_IN_ALL, MAX_PER_CLIENT, OffRecord
from sould.supervisor.sessions import Session


def conversation(text: str) -> Session:
    return Session(messages=[ChatMessage(role="user", text=text)])


async def test_it_is_gone_after_its_time() -> None:
    kept = OffRecord(keep_s=0.05)
    kept.keep(b"a", "s", conversation("one"))
    await asyncio.sleep(0.03)
    kept.keep(b"a", "s", conversation("two"))  # the time counts anew
    await asyncio.sleep(0.03)
    session = kept.get(b"a", "s")
    assert session is not None and session.messages[0].text == "two"
    await asyncio.sleep(0.05)
    assert kept.get(b"a", "s") is None


async def test_a_client_pushes_out_its_own_before_those_of_others() -> None:
    kept = OffRecord()
    kept.keep(b"quiet", "s", conversation("mine"))
    for n in range(MAX_IN_ALL):
        kept.keep(b"busy", f"s{n}", conversation("theirs"))
    assert kept.get(b"quiet", "s") is not None
    left = [n for n in range(MAX_IN_ALL) if kept.get(b"busy", f"s{n}")]
    assert left == list(range(MAX_IN_ALL - MAX_PER_CLIENT, MAX_IN_ALL))


async def test_there_is_a_limit_in_all() -> None:
    kept = OffRecord()
    for n in range(MAX_IN_ALL + 3):
        kept.keep(f"c{n}".encode(), "s", conversation("x"))
    left = [n for n in range(MAX_IN_ALL + 3) if kept.get(f"c{n}".encode(), "s")]
    assert left == list(range(3, MAX_IN_ALL + 3))


async def test_a_recorded_turn_ends_it_for_every_client() -> None:
    kept = OffRecord()
    for client, id_ in ((b"a", "s"), (b"b", "s"), (b"a", "other")):
        kept.keep(client, id_, conversation("x"))
    kept.end("s")
    assert [kept.get(b"a", "s"), kept.get(b"b", "s")] == [None, None]
    assert kept.get(b"a", "other") is not None
