"""The engine's end of the wire to the supervisor.

A zmq socket belongs to one thread. The link's thread owns the PAIR socket: it checks what
comes in, sets the flag of a request to be stopped at once, whatever the main thread is
busy with, and puts requests on ``inbox``. What the main thread has to say reaches it over
an inproc pair. Both threads sleep in the kernel when there is nothing to do.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import zmq
from msgspec import Struct

from soul_client.codec import convert, pack, unpack
from soul_client.errors import WireError
from soul_client.wire import Error, ErrorCode, Header, Kind, Limits
from sould.bridge import ENGINE_METHODS
from sould.engine.soul.writer import Written

log = logging.getLogger(__name__)

EXIT_LINK_BROKE = 70

# The supervisor is trusted with size (whole conversations come in one frame), not with form.
LIMITS = Limits(max_frame_bytes=1 << 30, max_items=1 << 24)


@dataclass(frozen=True)
class Curve:
    """Z85 keys for a tcp link: the supervisor's public key and our own pair."""

    server_key: str
    public_key: str
    secret_key: str


@dataclass(frozen=True)
class Request:
    """A well-formed request and the flag that stops it."""

    id: str
    method: str
    params: Struct
    stop: threading.Event


class Link:
    """Made, used and read by the main thread; ``inbox`` is filled by the link's own, and by the
    one that writes souls.
    """

    def __init__(self, endpoint: str, curve: Curve | None = None) -> None:
        self.inbox: SimpleQueue[Request | Written] = SimpleQueue()
        self._stops: dict[str, threading.Event] = {}
        context = zmq.Context()
        self._supervisor = _pair(context)
        if curve is not None:
            self._supervisor.curve_serverkey = curve.server_key.encode()
            self._supervisor.curve_publickey = curve.public_key.encode()
            self._supervisor.curve_secretkey = curve.secret_key.encode()
        self._endpoint = endpoint
        self._outlet, self._outgoing = _pair(context), _pair(context)
        self._outgoing.bind("inproc://outgoing")
        self._outlet.connect("inproc://outgoing")

    def start(self) -> None:
        """Connect, and hand the PAIR socket over to the link's thread for good."""
        self._supervisor.connect(self._endpoint)
        threading.Thread(target=self._run, name="link", daemon=True).start()

    def send(self, kind: Kind, request_id: str, body: Struct) -> None:
        """Send one frame. Main thread only; never waits."""
        self._outlet.send_multipart(pack(Header(kind=kind, id=request_id), body))

    def close(self, request_id: str) -> None:
        """Forget the stop flag of an answered request. Main thread only."""
        self._stops.pop(request_id, None)

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException:
            log.exception("the link broke; nobody could reach this engine any more")
            os._exit(EXIT_LINK_BROKE)

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._supervisor, zmq.POLLIN)
        poller.register(self._outgoing, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._outgoing in ready:
                self._supervisor.send_multipart(self._outgoing.recv_multipart())
            if self._supervisor in ready:
                self._receive(self._supervisor.recv_multipart())

    def _receive(self, frames: Sequence[bytes]) -> None:
        try:
            header, raw = unpack(frames, LIMITS)
            if header.kind is Kind.CANCEL:
                self._cancel(header.id)
            else:
                self._accept(header, raw)
        except WireError as e:
            log.warning("frame refused: %s", e.code)
            body = Error(code=e.code, message=e.message, hint=e.hint)
            header = Header(kind=Kind.ERROR, id=e.request_id)
            self._supervisor.send_multipart(pack(header, body))

    def _cancel(self, request_id: str) -> None:
        stop = self._stops.get(request_id)
        if stop is None:
            log.debug("cancel of %r: not at work, or already answered", request_id)
        else:
            stop.set()

    def _accept(self, header: Header, raw: Any) -> None:
        if header.kind is not Kind.REQ:
            raise _refusal(header, ErrorCode.BAD_REQUEST, f"unexpected {header.kind} frame")
        if header.method not in ENGINE_METHODS:
            known = ", ".join(ENGINE_METHODS)
            raise _refusal(
                header,
                ErrorCode.UNKNOWN_METHOD,
                f"no method {header.method!r}; the engine has {known}",
            )
        if header.id in self._stops:
            raise _refusal(header, ErrorCode.BAD_REQUEST, f"request {header.id!r} is under way")
        params = convert(raw, ENGINE_METHODS[header.method][0], header.id)
        stop = self._stops[header.id] = threading.Event()
        self.inbox.put(Request(header.id, header.method, params, stop))


def _refusal(header: Header, code: ErrorCode, message: str) -> WireError:
    return WireError(code, message, request_id=header.id)


def _pair(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    """Make a PAIR socket without a limit on waiting frames: a send must never block."""
    socket = context.socket(zmq.PAIR)
    socket.set_hwm(0)
    socket.linger = 0
    return socket
