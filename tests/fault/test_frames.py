"""Spoilt frames by the thousand on every socket: each is answered, and the daemon lives.

``make campaign-frames`` sends 100,000; ``FRAMES`` sets how many, ``SEED`` which.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections import Counter
from pathlib import Path

import psutil
import zmq

from soul_client import codec
from soul_client.wire import Connection, Kind, Limits
from tests.fakes.daemon_process import DaemonProcess, Peer, diary_of, running
from tests.fakes.spoilt_frames import Frames

FRAMES = int(os.environ.get("FRAMES", "600"))
SEED = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)

AT_ONCE = 24
ANSWER_S = 30.0
PING_S = 2.0
FINAL = (Kind.DONE, Kind.ERROR, Kind.PONG, Kind.WELCOME)
MAX_FRAME_BYTES = 65_536
GROWTH_BYTES = 4 << 20
TURN_BYTES = 2000  # that the daemon knows of every turn in its diary

CONFIG = f"""
wire: {{max_frame_bytes: {MAX_FRAME_BYTES}, max_message_chars: 4000}}
soul: {{save_every_s: 5, keep: 4}}
log: {{level: error}}
"""


class Attacker:
    """Sends spoilt frames in batches, and reads an answer to each."""

    def __init__(self, connection: Connection, frames: Frames, rng: random.Random) -> None:
        self.peer = Peer(connection)
        self.counts: Counter[str] = Counter()
        self._frames = frames
        self._random = rng
        self._events = self.peer.context.socket(zmq.XSUB)
        self._events.connect(connection.evt)
        self._paths = [
            url.removeprefix("ipc://") for url in (connection.rpc, connection.ctl, connection.evt)
        ]

    def send(self, count: int) -> list[tuple[zmq.Socket[bytes], int]]:
        """Send a batch; return how many answers are to come on which socket."""
        on_ctl = sum(self._random.random() < 0.15 for _ in range(count))
        for _ in range(on_ctl):
            self.peer.ctl.send_multipart(self._frames.frame(is_ctl=True))
        for _ in range(count - on_ctl):
            self.peer.rpc.send_multipart(self._frames.frame(is_ctl=False))
        if self._random.random() < 0.2:
            self._events.send_multipart(self._frames.frame(is_ctl=False))
            self._shout()
        return [(self.peer.ctl, on_ctl), (self.peer.rpc, count - on_ctl)]

    def read(self, due: list[tuple[zmq.Socket[bytes], int]]) -> None:
        """Read the final answer to every frame of a batch."""
        for source, count in due:
            answers: list[str] = []
            while len(answers) < count:
                assert source.poll(int(ANSWER_S * 1000)), f"{len(answers)} of {count}: {answers}"
                header, body = codec.unpack(source.recv_multipart(), Limits())
                if header.kind in FINAL:
                    code = f" {body['code']}" if header.kind is Kind.ERROR else ""
                    answers.append(f"{header.kind.value}{code}")
            self.counts.update(answers)
            assert not source.poll(0) or self._is_quiet(source), "an answer too many"

    def _is_quiet(self, source: zmq.Socket[bytes]) -> bool:
        header, _ = codec.unpack(source.recv_multipart(), Limits())
        return header.kind not in FINAL

    def _shout(self) -> None:
        """Say something to a socket that is not even ZeroMQ's."""
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(self._random.choice(self._paths))
            raw.sendall(self._frames.noise())
            self.counts["noise"] += 1


def test_every_spoilt_frame_is_answered_and_none_does_harm(tmp_path: Path) -> None:
    print(f"\n{FRAMES} frames, SEED={SEED}")
    rng = random.Random(SEED)
    limits = Limits(max_frame_bytes=MAX_FRAME_BYTES, max_message_chars=4000)
    frames = Frames(rng, tmp_path / "scratch", limits)
    (tmp_path / "scratch").mkdir()
    with running(tmp_path, CONFIG) as (daemon, sane):
        assert sane.ask("soul.export", {"path": str(tmp_path / "scratch" / "a.soul")})
        attacker = Attacker(sane.connection, frames, rng)
        try:
            memory = _attack(daemon, sane, attacker)
        finally:
            attacker.peer.close()
        print(f"memory {memory[0] / 1e6:.1f} → {memory[-1] / 1e6:.1f} MB", dict(attacker.counts))
        may_grow = GROWTH_BYTES + TURN_BYTES * len(diary_of(daemon)) // 2
        assert memory[-1] - memory[0] < may_grow, memory
        assert sane.say("still there", session="sane")["text"] == "still there "
        assert sane.status().engine.restarts == 0
        assert "Traceback" not in daemon.log() and "ERROR" not in daemon.log()
        assert daemon.terminate() == 0


def _attack(daemon: DaemonProcess, sane: Peer, attacker: Attacker) -> list[int]:
    """Send all frames, a sane client beside them; return what the daemon's memory was."""
    memory, sent = list[int](), 0
    process = psutil.Process(daemon.process.pid)
    while sent < FRAMES:
        due = attacker.send(AT_ONCE)
        begun_s = time.monotonic()
        sane.control(Kind.PING)
        assert time.monotonic() - begun_s < PING_S
        attacker.read(due)
        sent += AT_ONCE
        if sent // AT_ONCE % 10 == 0:
            text = f"turn {sent}"
            assert sane.say(text, session="sane", off_record=True)["text"] == f"{text} "
        if sent >= FRAMES / 4:
            memory.append(process.memory_info().rss)
        if FRAMES > 5000 and sent % 5000 < AT_ONCE:
            print(f"  {sent} frames, {process.memory_info().rss / 1e6:.1f} MB", flush=True)
    return memory
