"""Frames to slow, gone and well-behaved clients, without a socket."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from soul_client import codec
from soul_client.wire import Ack, Chunk, Empty, Header, Kind, Progress
from sould.supervisor.delivery import Delivery
from sould.supervisor.outbox import MAX_FRAMES
from sould.supervisor.sockets import Sent

CLIENT = b"\0anna"


class Pipe:
    """A client's pipe with so much room."""

    def __init__(self, room: int, max_frame_bytes: int = 8000) -> None:
        self.room = room
        self.is_gone = False
        self.now = 0.0
        self.taken: list[tuple[Header, dict[str, str]]] = []
        self.gone: list[bytes] = []
        self.slow: list[bytes] = []
        self.delivery = Delivery(
            self.send,
            clock=lambda: self.now,
            slow_client_s=10,
            max_frame_bytes=max_frame_bytes,
            on_gone=self.gone.append,
            on_slow=self.slow.append,
        )

    def send(self, frames: Sequence[bytes]) -> Sent:
        if self.is_gone:
            return Sent.GONE
        if self.room == 0:
            return Sent.FULL
        self.room -= 1
        self.taken.append(codec.unpack(frames[1:]))
        return Sent.OK

    def chunk(self, id: str, text: str) -> None:
        self.delivery.put(CLIENT, Header(kind=Kind.CHUNK, id=id), Chunk(text=text))

    def text(self, id: str) -> str:
        return "".join(b["text"] for h, b in self.taken if h.kind is Kind.CHUNK and h.id == id)


def test_chunks_merge_while_the_pipe_is_full_and_nothing_is_lost() -> None:
    pipe = Pipe(room=1)
    for n in range(100):
        pipe.chunk("a", f"{n} ")
    pipe.delivery.put(CLIENT, Header(kind=Kind.DONE, id="a"), Empty())
    pipe.room = 2
    pipe.delivery.flush()
    assert [header.kind for header, _ in pipe.taken] == [Kind.CHUNK, Kind.CHUNK, Kind.DONE]
    assert pipe.text("a") == "".join(f"{n} " for n in range(100))
    assert not pipe.delivery.is_backlogged


def test_merged_chunks_stay_below_the_frame_limit() -> None:
    pipe = Pipe(room=0, max_frame_bytes=8000)
    for _ in range(50):
        pipe.chunk("a", "👩" * 100)
    pipe.room = 1000
    pipe.delivery.flush()
    assert pipe.text("a") == "👩" * 5000
    assert all(len(body["text"].encode()) <= 4000 for _, body in pipe.taken)


def test_of_two_waiting_progress_frames_the_newer_stays() -> None:
    pipe = Pipe(room=0)
    header = Header(kind=Kind.PROGRESS, id="a")
    pipe.delivery.put(CLIENT, Header(kind=Kind.ACK, id="a"), Ack())
    for n in range(5):
        pipe.delivery.put(CLIENT, header, Progress(stage="queued", position=5 - n))
    pipe.room = 9
    pipe.delivery.flush()
    assert [h.kind for h, _ in pipe.taken] == [Kind.ACK, Kind.PROGRESS]
    assert codec.convert(pipe.taken[1][1], Progress).position == 1


def test_gone_client_is_reported_at_once_and_from_the_backlog() -> None:
    pipe = Pipe(room=0)
    pipe.chunk("a", "x")
    pipe.is_gone = True
    pipe.delivery.flush()
    assert pipe.gone == [CLIENT]
    assert not pipe.delivery.is_backlogged
    pipe.chunk("b", "x")
    assert pipe.gone == [CLIENT, CLIENT]


def test_client_that_takes_nothing_is_cut_off_and_may_come_back() -> None:
    pipe = Pipe(room=0)
    pipe.chunk("a", "x")
    pipe.now = 9.9
    pipe.delivery.flush()
    assert pipe.slow == []
    pipe.now = 10.1
    pipe.delivery.flush()
    assert pipe.slow == [CLIENT]
    assert not pipe.delivery.is_backlogged
    pipe.delivery.put(CLIENT, Header(kind=Kind.ERROR, id="a"), Empty())
    pipe.room = 9
    pipe.delivery.flush()
    assert [header.kind for header, _ in pipe.taken] == [Kind.ERROR]
    pipe.chunk("b", "welcome back")
    assert pipe.text("b") == "welcome back"


def test_final_frames_of_a_cut_off_client_do_not_wait_for_ever() -> None:
    pipe = Pipe(room=0)
    pipe.delivery.put(CLIENT, Header(kind=Kind.ERROR, id="a"), Empty())
    pipe.now = 10.1
    pipe.delivery.flush()
    assert not pipe.delivery.is_backlogged


def test_client_that_takes_a_little_is_kept() -> None:
    pipe = Pipe(room=0)
    for n in range(5):
        pipe.chunk(str(n), "x")
    for step in range(4):
        pipe.now = step * 9.0
        pipe.room = 1
        pipe.delivery.flush()
    assert pipe.slow == []


def test_outbox_is_bounded() -> None:
    pipe = Pipe(room=0)
    for n in range(3 * MAX_FRAMES):
        pipe.delivery.put(CLIENT, Header(kind=Kind.ERROR, id=str(n)), Empty())
    assert pipe.slow
    pipe.room = 10 * MAX_FRAMES
    pipe.delivery.flush()
    assert len(pipe.taken) <= MAX_FRAMES


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=3), st.integers(0, 2))))
def test_every_request_keeps_its_text_and_order(steps: list[tuple[str, str, int]]) -> None:
    pipe = Pipe(room=0)
    said = dict.fromkeys("abc", "")
    for id_, text, room in steps:
        pipe.chunk(id_, text)
        said[id_] += text
        pipe.room = room
        pipe.delivery.flush()
    pipe.room = 1000
    pipe.delivery.flush()
    assert {id_: pipe.text(id_) for id_ in "abc"} == said
