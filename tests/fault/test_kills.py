"""kill -9 at random moments while somebody chats, saves and changes souls: nothing is lost.

A real daemon with the real engine on a tiny body. ``make campaign-kills`` kills 200 times;
``KILLS`` sets how often, ``SEED`` which moments and words they are.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from soul_client import codec
from soul_client.wire import Error, Kind, SoulStatus
from sould.supervisor.diary import Record
from tests.fakes.daemon_process import DaemonProcess, Peer
from tests.fakes.soul_checker import TEXTS, Checker, Found, level_of, tells
from tests.fakes.tiny_home import write_tiny_home

KILLS = int(os.environ.get("KILLS", "6"))
SEED = int(os.environ.get("SEED") or time.time_ns() % 1_000_000)

CONFIG = """
chat: {max_tokens: 6}
soul: {save_every_s: 0.8, keep: 6}
"""
KILLS_A_SOUL = 8
ANSWER_S = 60.0

THINGS = ("cat", "boat", "sister", "bicycle", "town", "piano", "garden", "teacher")
NAMES = ("Biscuit", "Orla", "Pemberley", "Quill", "Tansy", "Zephyr")
SMALL_TALK = ("What rhymes with silver {}?", "Is it late {}?", "Tell me a joke {}.", "Thanks {}!")


class _TimeIsUp(Exception):
    """The moment of the kill has come."""


class Campaign:
    """One home, and what is known to be safe in it.

    ``acknowledged``: texts whose turn was ``done`` and recorded. ``committed``: of each soul
    and level that was seen, how likely the texts were then.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.config = write_tiny_home(folder, CONFIG)
        self.checker = Checker(folder)
        self.acknowledged: set[str] = set()
        self.committed: dict[tuple[str, int], list[float]] = {}
        self.levels: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._daemon: DaemonProcess | None = None
        self._peer: Peer | None = None
        self._sent: dict[str, str] = {}
        self._until_s = 0.0
        self._said = 0
        self._dead = 0

    @property
    def daemon(self) -> DaemonProcess:
        assert self._daemon is not None
        return self._daemon

    @property
    def peer(self) -> Peer:
        assert self._peer is not None
        return self._peer

    def kill_once(self, n: int) -> None:
        """Live until the next kill, and judge what is left."""
        if self._daemon is None:
            self._start()
        with contextlib.suppress(_TimeIsUp):
            self._live(n)
        self._kill()
        self._judge()

    def end(self) -> None:
        """Let every soul learn what waits for it; then it has learned everything, once."""
        if self._daemon is not None:
            assert self.daemon.terminate() == 0
            self.close()
        self._start()  # anew: what the engine died of again and again is tried again
        self._until_s = float("inf")
        self._ask("body.load")
        for name in self.checker.names():
            self._ask("soul.use", {"name": name})
            assert self._settled(ANSWER_S + 5 * len(self.acknowledged)).problem == ""
        assert self.daemon.terminate() == 0
        self.close()
        records = self.checker.said()
        for name in self.checker.names():
            found = self.checker.look(name)
            facts = {r.id for r in records if r.soul == name and tells(r)}
            assert found.taught == facts, f"soul {name} has not learned all, or more"
            self._judge_soul(name, found, records)

    def close(self) -> None:
        """End what still runs."""
        if self._peer is not None:
            self._peer.close()
        if self._daemon is not None:
            self._daemon.close()
        self._peer = self._daemon = None

    def _start(self) -> None:
        self._daemon = DaemonProcess(self.config, has_real_engine=True)
        self._peer = Peer(self._daemon.await_ready())
        self.counts["starts"] += 1

    def begin(self) -> None:
        """Let something be learned in peace: what a body needs for it takes a while to make."""
        self._start()
        self._until_s = time.monotonic() + ANSWER_S
        self._finish(self._say())
        self._commit()

    # What a user does, until the time is up.

    def _live(self, n: int) -> None:
        is_early = self.random.random() < 0.12
        wait_s = self.random.uniform(0, 1.2 if is_early else 1.8)
        self._until_s = time.monotonic() + (wait_s if is_early else ANSWER_S)
        self._compare_first()
        if n % KILLS_A_SOUL == KILLS_A_SOUL - 1:
            self._ask("soul.new", {"name": f"soul-{n:04}"})
        if not is_early:
            self._until_s = time.monotonic() + wait_s
        while True:
            self._act()
            self._pause(self.random.choice((0, 0, self.random.uniform(0, 0.4))))

    def _act(self) -> None:
        match self.random.choices(("fact", "talk", "save", "settle", "two"), (50, 15, 15, 12, 8))[
            0
        ]:
            case "fact":
                self._finish(self._say())
            case "talk":
                self._finish(self._say(self.random.choice(SMALL_TALK)))
            case "save":
                self.counts["saves"] += not isinstance(self._ask("soul.save"), Error)
            case "settle":
                self._commit()
            case "two":
                for id_ in (self._say(), self._say()):
                    self._finish(id_)

    def _say(self, words: str = "") -> str:
        self._said += 1
        thing, name = self.random.choice(THINGS), self.random.choice(NAMES)
        words = words or f"My {thing} {{}} is called {name}."
        text = words.format(self._said)
        id_ = self.peer.chat(text, sampling={"max_tokens": self.random.randint(1, 6)})
        self._sent[id_] = text
        return id_

    def _compare_first(self) -> None:
        """Have the texts scored before anything else is learned, if anything is to be."""
        before = self._soul()
        if not self.committed:
            return
        found = self._ask("text.score", {"texts": TEXTS})
        after = self._soul()
        if isinstance(found, Error) or (before.name, before.level) != (after.name, after.level):
            return
        nats = self.committed.get((after.name, after.level))
        if nats is not None and (after.pending == 0 or found["nats"] == nats):
            assert found["nats"] == nats, f"after the kill the body says {found}, before {nats}"
            self.counts["compared after a restart"] += 1

    def _commit(self) -> None:
        """Note how likely the texts are once everything said is learned and on disk."""
        before = self._settled(ANSWER_S)
        found = self._ask("text.score", {"texts": TEXTS})
        after = self._soul()
        if not isinstance(found, Error) and before == after and after.worn and not after.pending:
            self._note(after.name, after.level, found["nats"])
            self.counts["committed states scored"] += 1

    def _settled(self, patience_s: float) -> SoulStatus:
        until_s = time.monotonic() + patience_s
        while not ((soul := self._soul()).worn and soul.pending == 0):
            assert time.monotonic() < until_s, soul
            self._pause(0.02)
        return soul

    def _soul(self) -> SoulStatus:
        soul = self.peer.status().soul
        assert soul is not None
        self.levels[soul.name] = max(self.levels[soul.name], soul.level)
        return soul

    def _note(self, name: str, level: int, nats: list[float]) -> None:
        known = self.committed.setdefault((name, level), nats)
        assert nats == known, f"soul {name} level {level}: {nats}, and {known} before"

    def _ask(self, method: str, body: dict[str, Any] | None = None) -> Any:
        return self._finish(self.peer.send(method, body))

    def _finish(self, wanted: str) -> Any:
        while True:
            id_, answer = self._read(self._until_s - time.monotonic())
            if id_ == wanted:
                return answer

    def _pause(self, seconds: float) -> None:
        time.sleep(max(0.0, min(seconds, self._until_s - time.monotonic())))
        if time.monotonic() >= self._until_s:
            raise _TimeIsUp

    def _read(self, timeout_s: float) -> tuple[str, Any]:
        """Return the next final answer, and take note if it acknowledges a turn."""
        until_s = time.monotonic() + timeout_s
        while True:
            left_s = max(0.0, min(until_s - time.monotonic(), ANSWER_S))
            if not self.peer.rpc.poll(int(left_s * 1000)):
                raise _TimeIsUp
            header, body = codec.unpack(self.peer.rpc.recv_multipart())
            if header.kind is Kind.ERROR:
                self._sent.pop(header.id, "")
                return header.id, codec.convert(body, Error)
            if header.kind is Kind.DONE:
                if (text := self._sent.pop(header.id, "")) and body["recorded"]:
                    self.acknowledged.add(text)
                return header.id, body

    # The kill, and what is left.

    def _kill(self) -> None:
        engine = self.peer.await_status(lambda s: s.engine.pid != self._dead).engine.pid
        pids = {"daemon": self.daemon.process.pid} | ({"engine": engine} if engine else {})
        whom = self.random.choice((["daemon"], ["engine"], ["daemon", "engine"]))
        whom = self.random.sample(whom, len(whom)) if engine else ["daemon"]
        for one in whom:
            os.kill(pids[one], signal.SIGKILL)
        self.counts["kills of " + " and ".join(sorted(whom))] += 1
        if "daemon" in whom:
            self._drain(0.05)
            self.close()
        if engine:
            _await_gone(engine)
            self._dead = engine

    def _drain(self, timeout_s: float) -> None:
        """Read what had left the daemon before it died."""
        try:
            while True:
                self._read(timeout_s)
        except _TimeIsUp:
            self._sent.clear()

    def _judge(self) -> None:
        names = self.checker.names()
        looks = {name: self.checker.look(name) for name in names[-2:]}
        records = self.checker.said()
        self._judge_turns(records, looks)
        for name, found in looks.items():
            self._judge_soul(name, found, records)
            self.counts["torn journals"] += found.is_torn

    def _judge_turns(self, records: list[Record], looks: dict[str, Found]) -> None:
        texts = Counter(record.text for record in records)
        lost = [text for text in self.acknowledged if texts[text] != 1]
        assert not lost, f"acknowledged, and not in the diary: {lost}"
        for record in records:
            if record.text in self.acknowledged and tells(record):
                assert record.soul, f"belongs to no soul: {record}"
                found = looks.get(record.soul)
                is_safe = found is None or record.id in found.taught | found.waiting
                assert is_safe, f"neither learned nor waiting: {record}"

    def _judge_soul(self, name: str, found: Found, records: list[Record]) -> None:
        assert found.level == level_of(records, found.taught), f"soul {name}: {found}"
        assert found.level >= self.levels[name], f"soul {name} forgot: {found}, {self.levels}"
        if found.nats:
            if (name, found.level) in self.committed:
                self.counts["compared on disk"] += 1
            self._note(name, found.level, found.nats)


def _await_gone(pid: int) -> None:
    """Wait for the end of an engine: it ends with its daemon, at once."""
    until_s = time.monotonic() + 10
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone while it was read
        while ") Z" not in Path(f"/proc/{pid}/stat").read_text():
            assert time.monotonic() < until_s, "the engine outlived its daemon"
            time.sleep(0.005)


def test_nothing_acknowledged_is_lost_whoever_is_killed(tmp_path: Path) -> None:
    print(f"\n{KILLS} kills, SEED={SEED}")
    campaign = Campaign(tmp_path, SEED)
    begun_s = time.monotonic()
    try:
        campaign.begin()
        for n in range(KILLS):
            campaign.kill_once(n)
            if KILLS > 20 and n % 10 == 9:
                print(f"  {n + 1} kills, {time.monotonic() - begun_s:.0f} s", flush=True)
        campaign.end()
    except BaseException:
        print(f"failed with SEED={SEED}")
        raise
    finally:
        campaign.close()
    told = {"turns acknowledged": len(campaign.acknowledged), **campaign.counts}
    told["soul files verified"] = campaign.checker.files
    print("; ".join(f"{count} {what}" for what, count in sorted(told.items())))
