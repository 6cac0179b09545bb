"""Stop stops: cancel, deadline, stop_signal."""

from __future__ import annotations

import time

import pytest

from soul_client import locate
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of


def test_cancelled_reply_keeps_what_was_said(daemon: DaemonProcess, peer: Peer) -> None:
    id_ = peer.chat("delay 0.02;tokens 1000")
    peer.await_chunk(id_)
    assert peer.cancel(id_) == [id_]
    assert peer.cancel(id_) == []
    done = peer.finish(id_)
    assert done["finish"] == "cancelled" and done["recorded"]
    assert diary_of(daemon)[-1]["text"] == done["text"] != ""


def test_cancel_before_anything_was_said_records_nothing(daemon: DaemonProcess, peer: Peer) -> None:
    before = diary_of(daemon)
    id_ = peer.chat("prefill 5;tokens 1")
    while peer.recv()[1].get("stage") != "prefill":
        pass
    peer.cancel(id_)
    done = peer.finish(id_)
    assert (done["finish"], done["recorded"], done["text"]) == ("cancelled", False, "")
    assert diary_of(daemon) == before


def test_queued_request_is_cancelled_by_another_client(peer: Peer, other: Peer) -> None:
    busy = peer.chat("delay 0.05;tokens 100", session="one")
    peer.await_chunk(busy)
    queued = peer.chat("never said", session="one")
    peer.await_status(lambda s: queued in {r.id for r in s.requests})
    assert other.cancel(queued) == [queued]
    done = peer.finish(queued)
    assert (done["finish"], done["recorded"]) == ("cancelled", False)
    assert other.cancel("all") == [busy]
    peer.finish(busy)
    assert other.cancel("nothing-of-that-name") == []


def test_deadline_ends_the_reply_and_the_wait(daemon: DaemonProcess, peer: Peer) -> None:
    done = peer.say("delay 0.02;tokens 1000", deadline_s=0.3, session="late")
    assert done["finish"] == "deadline" and done["text"] and done["recorded"]
    busy = peer.chat("delay 0.05;tokens 100", session="late")
    peer.await_chunk(busy)
    waiting = peer.say("too late", session="late", deadline_s=0.1)
    assert (waiting["finish"], waiting["recorded"]) == ("deadline", False)
    peer.cancel()
    peer.finish(busy)


@pytest.mark.parametrize("content", ["", "all\n", "ID", "  ID \n"])
def test_stop_signal_file_is_obeyed_quickly_and_removed(
    daemon: DaemonProcess, peer: Peer, content: str
) -> None:
    path = locate.workspace_dir(daemon.config) / "stop_signal"
    id_ = peer.chat("delay 0.01;tokens 10000")
    peer.await_chunk(id_)
    path.write_text(content.replace("ID", id_))
    begun = time.monotonic()
    assert peer.finish(id_)["finish"] == "cancelled"
    assert time.monotonic() - begun < 0.4
    assert not path.exists()


def test_stop_signal_for_others_stops_nobody(daemon: DaemonProcess, peer: Peer) -> None:
    path = locate.workspace_dir(daemon.config) / "stop_signal"
    id_ = peer.chat("delay 0.02;tokens 25")
    peer.await_chunk(id_)
    for content in ("sleep", "r-unknown", "\udcff" * 5000):
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
        until = time.monotonic() + 2
        while path.exists():
            assert time.monotonic() < until
            time.sleep(0.01)
    assert peer.finish(id_)["finish"] == "stop"
