"""The client's half of the protocol, without any I/O: what a frame means, when to worry.

``Exchange`` follows one request from its frame to ``done`` or ``error``; ``Vigil`` decides
when to ping and when the daemon counts as lost. Both clients drive the same two.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct, to_builtins

from soul_client import codec
from soul_client.calls import Call
from soul_client.errors import DaemonError, WireError
from soul_client.wire import (
    Ack,
    Chunk,
    Error,
    ErrorCode,
    Event,
    Header,
    Kind,
    Limits,
    Progress,
    Status,
)

R = TypeVar("R")

_ORDER = {Kind.ACK: 1, Kind.PROGRESS: 2, Kind.CHUNK: 3}
_UPDATES: dict[Kind, type[Ack] | type[Progress] | type[Chunk]] = {
    Kind.ACK: Ack,
    Kind.PROGRESS: Progress,
    Kind.CHUNK: Chunk,
}
_ANSWER = {
    Kind.REQ: Kind.DONE,
    Kind.CANCEL: Kind.DONE,
    Kind.PING: Kind.PONG,
    Kind.HELLO: Kind.WELCOME,
}

Update = Ack | Progress | Chunk

NOT_BEGUN = ("queued", "loading")
"""Stages of a request that waits for what it needs."""


def new_request_id() -> str:
    """Make an id that no other client has: ``cancel`` names requests across clients."""
    return secrets.token_hex(6)


class Exchange(Generic[R]):
    """One request and its answers: ack, progress*, chunk*, then exactly one done | error."""

    def __init__(self, call: Call[R], request_id: str = "") -> None:
        self.call = call
        self.id = request_id or new_request_id()
        self.ack: Ack | None = None
        self.result: R | None = None
        self.is_finished = False
        self._stage = 0

    def request_frames(self, limits: Limits) -> list[bytes]:
        """Encode the request.

        Raises:
            WireError: ``too_large``, the daemon would refuse it; ``bad_request``, a text is
                no valid Unicode.
        """
        header = Header(kind=self.call.kind, id=self.id, method=self.call.method)
        try:
            frames = codec.pack(header, self.call.params)
        except UnicodeEncodeError as e:
            raise WireError(
                ErrorCode.BAD_REQUEST, f"a text is no valid Unicode: {e.reason}", request_id=self.id
            ) from e
        size_bytes = sum(map(len, frames))
        if size_bytes > limits.max_frame_bytes:
            raise WireError(
                ErrorCode.TOO_LARGE,
                f"the request has {size_bytes} bytes, the daemon takes {limits.max_frame_bytes}",
                request_id=self.id,
            )
        return frames

    @property
    def is_known(self) -> bool:
        """Whether the daemon has answered anything yet, so that it can be told to stop it."""
        return self._stage > 0 or self.is_finished

    def feed(self, header: Header, raw: Any) -> Update | R:
        """Take the next frame of this request and return its body.

        Raises:
            DaemonError: it is an ``error`` frame. The exchange is finished.
            WireError: it breaks the order of frames, or its body is not what it should be.
        """
        if self.is_finished:
            raise self._violation(header)
        if header.kind is Kind.ERROR:
            self.is_finished = True
            raise as_exception(raw, self.id)
        if header.kind is _ANSWER[self.call.kind]:
            self.is_finished = True
            self.result = codec.convert(raw, self.call.result, self.id)
            return self.result
        return self._update(header, raw)

    def _update(self, header: Header, raw: Any) -> Update:
        stage = _ORDER.get(header.kind, 0)
        if stage < self._stage or stage == 0 or (stage == 1 and self._stage == 1):
            raise self._violation(header)
        self._stage = stage
        update = codec.convert(raw, _UPDATES[header.kind], self.id)
        if isinstance(update, Ack):
            self.ack = update
        return update

    def _violation(self, header: Header) -> WireError:
        return WireError(
            ErrorCode.BAD_REQUEST,
            f"the daemon sent {header.kind.value!r} out of turn in request {self.id}",
            request_id=self.id,
        )


def as_exception(raw: Any, request_id: str = "") -> DaemonError:
    """Turn the body of an ``error`` frame into what the clients raise.

    A code of a newer daemon counts as ``internal``.
    """
    if isinstance(raw, dict) and raw.get("code") not in list(ErrorCode):
        raw = {**raw, "code": ErrorCode.INTERNAL}
    error = codec.convert(raw, Error, request_id)
    return DaemonError(error.code, error.message, error.hint)


class Vigil:
    """Watch for the daemon's silence: ping after a while, then give up.

    Whoever drives it reads everything that has arrived before asking ``verdict``, so that a
    client that was suspended does not take its own sleep for the daemon's.
    """

    def __init__(self, now_s: float, *, silence_s: float) -> None:
        """``silence_s``: how long nothing may be heard, the last five sixths after a ping."""
        self._ping_after_s = silence_s / 6
        self._lost_after_s = silence_s - self._ping_after_s
        self._heard_s = now_s
        self._pinged_s: float | None = None

    def hear(self, now_s: float) -> None:
        """Note that a frame arrived, whichever."""
        self._heard_s = now_s
        self._pinged_s = None

    def verdict(self, now_s: float) -> Literal["wait", "ping", "lost"]:
        """Say what to do now; "ping" is said once per silence."""
        if self._pinged_s is None:
            if now_s - self._heard_s < self._ping_after_s:
                return "wait"
            self._pinged_s = now_s
            return "ping"
        return "lost" if now_s - self._pinged_s >= self._lost_after_s else "wait"

    def wait_s(self, now_s: float) -> float:
        """Return how long nothing need be done if nothing arrives."""
        if self._pinged_s is None:
            return max(0.0, self._heard_s + self._ping_after_s - now_s)
        return max(0.0, self._pinged_s + self._lost_after_s - now_s)


class SeenEvent(Struct, frozen=True, kw_only=True):
    """An event with its number, and how many were lost just before it."""

    seq: int
    event: Event
    missed: int = 0


class EventCursor:
    """Number the events of one subscription and notice those that were lost.

    It begins with ``welcome``: what comes before is in the state that it tells.
    """

    def __init__(self) -> None:
        self._last_seq: int | None = None

    def feed(self, header: Header, raw: Any) -> SeenEvent | None:
        """Take the next frame of ``evt``; None for one before ``welcome``.

        Raises:
            WireError: not an event.
        """
        if header.kind is not Kind.EVENT:
            raise WireError(ErrorCode.BAD_REQUEST, f"a {header.kind.value!r} frame among events")
        event = codec.convert(raw, Event)
        if self._last_seq is None:
            if event.name != "welcome":
                return None
            self._last_seq = header.seq
        missed = max(0, header.seq - self._last_seq - 1)
        self._last_seq = header.seq
        return SeenEvent(seq=header.seq, event=event, missed=missed)


def state_event(seq: int, status: Status) -> SeenEvent:
    """Make the ``state`` event that follows a gap from an answer to ``daemon.status``."""
    data = to_builtins(status)
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return SeenEvent(seq=seq, event=Event(name="state", ts=now, data=data))
