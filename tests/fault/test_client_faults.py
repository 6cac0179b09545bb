"""What clients may do to the daemon: vanish, not read, talk nonsense."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgpack
import pytest

from soul_client import codec
from soul_client.wire import CTL_METHODS, RPC_METHODS, Header, Kind
from tests.fakes.daemon_process import Peer, diary_of, running

FUZZ_FRAMES = int(os.environ.get("BIT_TTT_FUZZ_FRAMES", "2000"))


def test_client_gone_mid_reply_leaves_a_recorded_half(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        goner = Peer(peer.connection)
        id_ = goner.chat("delay 0.02;tokens 2000")
        goner.await_chunk(id_)
        goner.close()
        peer.await_status(lambda s: not s.requests, timeout_s=3)
        reply = diary_of(daemon)[-1]
        assert reply["role"] == "assistant" and reply["text"].startswith("t0 t1")


@pytest.mark.parametrize("order", ["prefill 60", "hang", "word;hang"])
def test_client_gone_during_a_long_silence_is_noticed(tmp_path: Path, order: str) -> None:
    with running(tmp_path) as (_, peer):
        goner = Peer(peer.connection)
        goner.chat(order)
        peer.await_status(lambda s: s.engine.state == "answering")
        goner.close()
        peer.await_status(lambda s: not s.requests, timeout_s=12)


def test_client_gone_while_loading_or_queued_is_noticed(tmp_path: Path) -> None:
    with running(tmp_path, "body: {parallel: 2}", "--load-s", "4") as (_, peer):
        goner = Peer(peer.connection)
        for n in range(3):
            goner.chat(f"{n}")
        peer.await_status(lambda s: len(s.requests) == 3)
        goner.close()
        peer.await_status(lambda s: not s.requests, timeout_s=3)


KILLED_CLIENT = """
import sys; from pathlib import Path
from soul_client import locate
from tests.fakes.daemon_process import Peer
peer = Peer(locate.read_connection(Path(sys.argv[1])))
id = peer.chat("delay 0.01;tokens 5000")
peer.await_chunk(id)
print("talking", flush=True)
peer.recv(60, ctl=True)
"""


def test_client_killed_mid_reply(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, peer):
        command = [sys.executable, "-c", KILLED_CLIENT, str(daemon.config)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None and client.stdout.readline()
            client.send_signal(signal.SIGKILL)
        peer.await_status(lambda s: not s.requests, timeout_s=3)
        assert diary_of(daemon)[-1]["text"].startswith("t0 ")


def test_reader_that_pauses_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "wire: {slow_client_s: 30}") as (_, peer):
        slow = Peer(peer.connection, rcvhwm=2)
        id_ = slow.chat("tokens 30000")
        peer.await_status(lambda s: s.engine.state == "ready", timeout_s=30)
        frames = slow.collect(id_, timeout_s=30)[id_]
        text = "".join(body["text"] for header, body in frames if header.kind is Kind.CHUNK)
        assert text == frames[-1][1]["text"] == "".join(f"t{n} " for n in range(30000))
        assert len(frames) < 20000, "nothing was merged"
        slow.close()


def test_reader_that_stops_is_cut_off_and_others_notice_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "wire: {slow_client_s: 0.5}") as (daemon, peer):
        stuck = Peer(peer.connection, rcvhwm=1)
        id_ = stuck.chat("tokens 3000;huge 500000;huge 500000;huge 500000;delay 0.1;tokens 1000")
        assert peer.say("meanwhile")["text"] == "meanwhile "
        peer.await_status(lambda s: not s.requests, timeout_s=20)
        assert "cut off" in daemon.log()
        assert diary_of(daemon)[-1]["text"].startswith("t0 t1 ")
        error = stuck.collect(id_)[id_][-1]
        assert error[0].kind is Kind.ERROR and error[1]["code"] == "slow_client"
        assert stuck.say("awake again")["text"] == "awake again "
        stuck.close()


def test_huge_reply_reaches_a_reader(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        assert len(peer.finish(peer.chat("huge 5000000"), 30)["text"]) == 5_000_000


def mutated(rng: random.Random) -> list[bytes]:
    """Make a frame that is broken somewhere between slightly and utterly."""
    method = rng.choice([*RPC_METHODS, *CTL_METHODS, "", "x" * 70])
    if method in ("daemon.shutdown", "body.pull"):
        method = "body.list"
    body: Any = rng.choice(
        [
            {},
            {"text": rng.choice(["", "hi", "x" * 9000, "\0"])},
            {"text": 1, "session": "s"},
            {"name": rng.choice(["other", "../..", "\0", "x" * 300])},
            {"session": rng.choice(["s", "", "x" * 65, "../"])},
            {"target": "none"},
            [[[]]],
            None,
            "text",
            -1,
        ]
    )
    header = Header(kind=rng.choice(list(Kind)), id=f"f{rng.randrange(10**9)}", method=method)
    frames = codec.pack(header)
    frames[2] = msgpack.packb(body)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 5])):
        part = rng.randrange(len(frames))
        data = bytearray(frames[part])
        match rng.randrange(5):
            case 0 if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
            case 1:
                data = data[: rng.randrange(len(data) + 1)]
            case 2:
                data += rng.randbytes(rng.randrange(20))
            case 3:
                data = bytearray(rng.randbytes(rng.randrange(60)))
            case 4:
                frames.insert(part, rng.randbytes(3))
        frames[part] = bytes(data)
    return frames[: rng.randrange(1, 6)]


def test_nonsense_never_harms_the_daemon(tmp_path: Path) -> None:
    """``BIT_TTT_FUZZ_FRAMES`` sets how many frames."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    with running(tmp_path, "wire: {max_frame_bytes: 65536}") as (daemon, peer):
        for _ in range(FUZZ_FRAMES // 50):
            fuzzer = Peer(peer.connection)
            for _ in range(50):
                rng.choice([fuzzer.rpc, fuzzer.ctl]).send_multipart(mutated(rng))
            fuzzer.rpc.send_multipart(codec.pack(Header(kind=Kind.PING, id="end")))
            while fuzzer.recv(30)[0].id != "end":
                pass
            fuzzer.close()
        assert peer.control(Kind.PING) == {}
        peer.await_status(lambda s: not s.requests, timeout_s=30)
        assert peer.say("unharmed")["text"] == "unharmed "
        assert "Traceback" not in daemon.log()
        assert peer.status().memory_bytes < 80e6


def test_pings_are_answered_while_the_daemon_is_flooded(tmp_path: Path) -> None:
    with running(tmp_path) as (_, peer):
        flood = Peer(peer.connection)
        ids = [flood.chat("tokens 3000") for _ in range(3)]
        flood.recv()  # the first ack: from here on frames pour in
        slowest = 0.0
        for _ in range(50):
            begun = time.perf_counter()
            peer.control(Kind.PING)
            slowest = max(slowest, time.perf_counter() - begun)
        assert slowest < 1.0  # a hang would be seen; tests/bench measures the milliseconds
        flood.collect(*ids, timeout_s=60)
        flood.close()
