"""The ``rpc`` socket: frames become requests, requests run as tasks, every one is answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from soul_client import codec
from soul_client.errors import WireError
from soul_client.wire import (
    CTL_METHODS,
    RPC_METHODS,
    Error,
    ErrorCode,
    Header,
    Kind,
    Limits,
    Progress,
)
from sould.errors import SouldError
from sould.supervisor.control import Control, refusal, unknown_method
from sould.supervisor.request import Emit, Request, Stopped, StopReason

log = logging.getLogger(__name__)

OWN = b""
"""The client that requests of the daemon itself have; no socket has this address."""

LOOKS = frozenset(
    {
        *("session.list", "session.get", "diary.documents", "config.show", "plugins.list"),
        *("body.list", "body.info", "body.catalog"),
        *("soul.list", "soul.history", "soul.report", "soul.reports"),
    }
)
"""Methods by which an app looks every minute whether the daemon is there: nobody talks to it."""

Handler = Callable[[Request, Any], Awaitable[Struct]]
Put = Callable[[bytes, Header, Struct | None], None]

_STOP_ERRORS = {
    StopReason.CANCELLED: (ErrorCode.CANCELLED, "stopped"),
    StopReason.GONE: (ErrorCode.CANCELLED, "the client went away"),
    StopReason.SLOW: (
        ErrorCode.SLOW_CLIENT,
        "cut off: nothing was read for too long; what was said is in the diary",
    ),
    StopReason.DEADLINE: (ErrorCode.DEADLINE, "the deadline passed"),
    StopReason.SHUTDOWN: (ErrorCode.SHUTTING_DOWN, "the daemon is shutting down"),
}


class Rpc:
    """All requests in flight."""

    def __init__(
        self,
        *,
        handlers: Mapping[str, Handler],
        control: Control,
        limits: Limits,
        put: Put,
        on_change: Callable[[Request, str], None],
        on_progress: Callable[[str, str, Progress], None],
    ) -> None:
        self._handlers = handlers
        self._control = control
        self._limits = limits
        self._put = put
        self._on_change = on_change
        self._on_progress = on_progress
        self._requests: dict[tuple[bytes, str], Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._loop = asyncio.get_running_loop()
        self._asked_at = self._loop.time()

    @property
    def idle_s(self) -> float:
        """For how long no client has wanted anything, but to look; 0 while one does."""
        if any(one.client != OWN and one.method not in LOOKS for one in self._requests.values()):
            return 0.0
        return self._loop.time() - self._asked_at

    @property
    def in_flight(self) -> list[Request]:
        """Return the requests in flight, oldest first."""
        return list(self._requests.values())

    def receive(self, frames: list[bytes]) -> None:
        """Take one message: client address, then a frame."""
        client, *rest = frames
        try:
            header, raw = codec.unpack(rest, self._limits)
            if header.kind is Kind.REQ:
                self._accept(client, header, raw)
            else:
                self._put(client, *self._control.answer(header, raw))
        except WireError as e:
            self._put(client, *refusal(e))

    async def ask(self, id_: str, method: str, params: Struct) -> Struct:
        """Make a request of the daemon's own, and return the body of its final frame: the result
        or an ``Error``. It is seen, and can be stopped, as that of a client.
        """
        if self._is_closing:
            code, message = _STOP_ERRORS[StopReason.SHUTDOWN]
            return Error(code=code, message=message)
        final: list[Struct] = []

        def hear(header: Header, body: Struct | None) -> None:
            if header.kind in (Kind.DONE, Kind.ERROR) and body is not None:
                final.append(body)

        request = self._made(OWN, id_, method, hear)
        await asyncio.wait({self._begin(request, params)})
        return final[0]

    def stop(self, target: str) -> list[str]:
        """Stop the request of that id ("" or "all": every one); return the ids told to stop."""
        hit = [r for r in self.in_flight if target in ("", "all", r.id) and r.stop_reason is None]
        for request in hit:
            request.stop(StopReason.CANCELLED)
        return [request.id for request in hit]

    def stop_client(self, client: bytes, reason: StopReason) -> None:
        """Stop everything a client asked for."""
        for request in self.in_flight:
            if request.client == client:
                request.stop(reason)

    def pulse(self) -> None:
        """Let quiet requests repeat themselves (see ``Request.pulse``)."""
        for request in self.in_flight:
            request.pulse()

    async def close(self, grace_s: float, on_late: Callable[[], None]) -> None:
        """Refuse new requests, stop all and wait for their final frames. What still runs after
        ``grace_s`` is reported (``on_late``) and given as much time again.
        """
        self._is_closing = True
        for request in self.in_flight:
            request.stop(StopReason.SHUTDOWN)
        for end_it in (on_late, self._cancel_tasks):
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=grace_s)
                if late:
                    log.warning("%d requests did not stop within %g s", len(late), grace_s)
                    end_it()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _accept(self, client: bytes, header: Header, raw: Any) -> None:
        self._check(client, header)
        params = codec.convert(raw, RPC_METHODS[header.method][0], header.id)
        request = self._made(
            client, header.id, header.method, lambda answer, body: self._put(client, answer, body)
        )
        self._begin(request, params)

    def _made(self, client: bytes, id_: str, method: str, emit: Emit) -> Request:
        return Request(
            client=client,
            id=id_,
            method=method,
            emit=emit,
            on_progress=lambda progress: self._on_progress(id_, method, progress),
        )

    def _begin(self, request: Request, params: Any) -> asyncio.Task[None]:
        self._requests[request.client, request.id] = request
        task = self._loop.create_task(self._serve(request, params))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _check(self, client: bytes, header: Header) -> None:
        """Refuse what can be refused before its parameters are looked at.

        Raises:
            WireError: with the code for the fault.
        """
        if header.method not in RPC_METHODS:
            raise unknown_method(header, RPC_METHODS, "ctl" if header.method in CTL_METHODS else "")
        in_flight = sum(1 for asker, _ in self._requests if asker == client)
        fault: tuple[ErrorCode, str] | None = None
        if not header.id:
            fault = ErrorCode.BAD_REQUEST, "a request needs an id"
        elif (client, header.id) in self._requests:
            fault = ErrorCode.BAD_REQUEST, f"request id {header.id!r} is in flight already"
        elif self._is_closing:
            fault = _STOP_ERRORS[StopReason.SHUTDOWN]
        elif in_flight >= self._limits.max_in_flight:
            fault = ErrorCode.BUSY, f"{in_flight} requests in flight, the most a client may have"
        if fault is not None:
            raise WireError(*fault, request_id=header.id)

    async def _serve(self, request: Request, params: Any) -> None:
        self._on_change(request, "accepted")
        outcome = "error"
        try:
            result = await self._handlers[request.method](request, params)
            request.done(result)
            outcome = "done"
        except Stopped as e:
            request.error(*_STOP_ERRORS[e.reason])
        except SouldError as e:
            request.error(e.code, e.message, e.hint)
        except asyncio.CancelledError:
            request.error(*_STOP_ERRORS[StopReason.SHUTDOWN])
            raise
        except Exception as e:
            log.exception("%s failed", request.method)
            message = f"{request.method} failed: {type(e).__name__}"
            request.error(ErrorCode.INTERNAL, message, "the daemon's log has the details")
        finally:
            del self._requests[request.client, request.id]
            if request.client != OWN and request.method not in LOOKS:
                self._asked_at = self._loop.time()
            self._on_change(request, outcome)
