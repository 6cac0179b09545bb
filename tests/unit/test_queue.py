"""The fair queue: rules as properties over random histories."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sould.supervisor.queue import FairQueue

CLIENTS = [b"anna", b"ben", b"cleo"]


def drain(queue: FairQueue[str]) -> list[str]:
    """Serve everything one after the other; return the order."""
    order: list[str] = []
    running: list[str] = []
    while True:
        started = queue.take()
        order += started
        running += started
        if not running:
            return order
        queue.finish(running.pop(0))


def test_clients_take_turns() -> None:
    queue: FairQueue[str] = FairQueue(1)
    for key in ("a1", "a2", "a3", "b1", "b2", "c1"):
        queue.add(key, key[:1].encode())
    assert drain(queue) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_one_client_leaves_a_slot_for_others() -> None:
    queue: FairQueue[str] = FairQueue(3)
    for n in range(5):
        queue.add(f"a{n}", b"a")
    assert queue.take() == ["a0", "a1"]
    queue.add("b0", b"b")
    assert queue.take() == ["b0"]


def test_session_is_served_in_order_whoever_asks_and_holds_up_nobody_else() -> None:
    queue: FairQueue[str] = FairQueue(4)
    queue.add("first", b"a", "s")
    queue.add("second", b"b", "s")
    queue.add("third", b"a", "s")
    queue.add("other", b"b", "t")
    assert queue.take() == ["first", "other"]
    queue.finish("first")
    assert queue.take() == ["second"]
    queue.finish("second")
    assert queue.take() == ["third"]


def test_exclusive_key_waits_for_all_and_nobody_passes_it() -> None:
    queue: FairQueue[str] = FairQueue(4)
    queue.add("a1", b"a")
    assert queue.take() == ["a1"]
    queue.add("load", b"b", exclusive=True)
    queue.add("c1", b"c")
    assert queue.take() == []
    queue.finish("a1")
    assert queue.take() == ["load"]
    queue.add("a2", b"a")
    assert queue.take() == []
    queue.finish("load")
    assert queue.take() == ["c1", "a2"]


def test_exclusive_key_waits_for_its_session_too() -> None:
    queue: FairQueue[str] = FairQueue(3)
    queue.add("b1", b"b")
    queue.add("a1", b"a", "t")
    queue.add("load", b"b", "t", exclusive=True)
    queue.finish("b1")
    assert queue.take() == ["a1"]
    queue.finish("a1")
    assert queue.take() == ["load"]


def test_withdrawn_key_is_never_served() -> None:
    queue: FairQueue[str] = FairQueue(1)
    queue.add("a1", b"a")
    queue.add("a2", b"a")
    queue.finish("a1")
    queue.finish("unknown")
    assert drain(queue) == ["a2"]


@given(st.lists(st.sampled_from(CLIENTS), max_size=30), st.integers(1, 4))
def test_positions_foretell_the_order(clients: list[bytes], parallel: int) -> None:
    queue: FairQueue[int] = FairQueue(parallel)
    for n, client in enumerate(clients):
        queue.add(n, client)
    running = queue.take()
    foretold = queue.positions()
    assert sorted(foretold.values()) == list(range(len(running), len(clients)))
    if parallel == 1:  # with more slots the end of a slow reply decides who is next
        served = []
        while running:
            queue.finish(running.pop())
            running = queue.take()
            served += running
        assert served == sorted(foretold, key=lambda key: foretold[key])


@dataclass
class Model:
    """What the queue should hold."""

    client: bytes
    lane: str
    exclusive: bool
    passed_by: set[bytes] = field(default_factory=set)


class QueueMachine(RuleBasedStateMachine):
    """Random histories of add, take, finish and withdraw."""

    def __init__(self) -> None:
        super().__init__()
        self.parallel = 3
        self.queue: FairQueue[int] = FairQueue(self.parallel)
        self.waiting: dict[int, Model] = {}
        self.running: dict[int, Model] = {}
        self.count = 0

    @rule(
        client=st.sampled_from(CLIENTS),
        lane=st.sampled_from(["", "s", "t"]),
        exclusive=st.integers(0, 9).map(lambda n: n == 0),
    )
    def add(self, client: bytes, lane: str, exclusive: bool) -> None:
        self.count += 1
        self.waiting[self.count] = Model(client, lane, exclusive)
        self.queue.add(self.count, client, lane, exclusive=exclusive)

    @rule()
    def take(self) -> None:
        for key in self.queue.take():
            entry = self.waiting.pop(key)
            self.check_order(key, entry)
            self.running[key] = entry
        assert self.running or not self.waiting, "work waits and nothing runs"

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        keys = sorted(self.running) + sorted(self.waiting)
        if keys:
            key = data.draw(st.sampled_from(keys))
            self.queue.finish(key)
            self.running.pop(key, None)
            self.waiting.pop(key, None)

    def check_order(self, key: int, entry: Model) -> None:
        for other_key, other in self.waiting.items():
            if other_key < key and other.client == entry.client and other.lane == entry.lane:
                raise AssertionError("a client's keys were reordered")
            if entry.lane and other.lane == entry.lane and other_key < key:
                assert other.exclusive, "a session was reordered"

    @invariant()
    def limits_hold(self) -> None:
        entries = list(self.running.values())
        assert len(entries) <= self.parallel
        assert self.queue.running == len(entries)
        assert self.queue.waiting == len(self.waiting)
        lanes = [entry.lane for entry in entries if entry.lane]
        assert len(lanes) == len(set(lanes)), "a session is at work twice"
        assert not any(e.exclusive for e in entries) or len(entries) == 1
        for client in CLIENTS:
            assert sum(e.client == client for e in entries) < self.parallel

    @invariant()
    def positions_are_complete(self) -> None:
        positions = self.queue.positions()
        assert positions.keys() == self.waiting.keys()
        first = len(self.running)
        assert sorted(positions.values()) == list(range(first, first + len(positions)))


TestQueue = QueueMachine.TestCase


@given(
    st.lists(st.tuples(st.sampled_from(CLIENTS), st.booleans()), min_size=1, max_size=20),
    st.integers(1, 4),
)
def test_nobody_starves_while_another_client_keeps_asking(
    entries: list[tuple[bytes, bool]], parallel: int
) -> None:
    queue: FairQueue[str] = FairQueue(parallel)
    for n, (client, exclusive) in enumerate(entries):
        queue.add(f"k{n}", client, exclusive=exclusive)
    waiting = {f"k{n}" for n in range(len(entries))}
    running: list[str] = []
    for step in range(200):
        queue.add(f"greedy{step}", b"greedy")
        started = queue.take()
        waiting -= set(started)
        running += started
        if running:
            queue.finish(running.pop(0))
    assert not waiting
