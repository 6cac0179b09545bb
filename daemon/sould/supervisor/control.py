"""What is answered at once, whatever else is going on: hello, ping, cancel, status, shutdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from soul_client import codec
from soul_client.errors import WireError
from soul_client.wire import (
    CTL_METHODS,
    PROTOCOL,
    RPC_METHODS,
    Cancel,
    Empty,
    Error,
    ErrorCode,
    Header,
    Hello,
    Kind,
    Limits,
    Status,
    Stopped,
    Welcome,
)
from sould.version import version

Answer = tuple[Header, Struct | None]


class Control:
    """Answers the frames that need no work; each answer is one frame."""

    def __init__(
        self,
        *,
        daemon_id: str,
        limits: Limits,
        status: Callable[[], Status],
        stop: Callable[[str], list[str]],
        shutdown: Callable[[], None],
    ) -> None:
        self._welcome = Welcome(
            version=version(), protocol=PROTOCOL, daemon_id=daemon_id, limits=limits
        )
        self._limits = limits
        self._status = status
        self._stop = stop
        self._shutdown = shutdown

    def receive(self, frames: Sequence[bytes]) -> Answer:
        """Answer one message of the ``ctl`` socket; never raises on what it says."""
        try:
            header, raw = codec.unpack(frames, self._limits)
            if header.kind is Kind.REQ:
                return self._call(header, raw)
            return self.answer(header, raw)
        except WireError as e:
            return refusal(e)

    def answer(self, header: Header, raw: Any) -> Answer:
        """Answer a frame that is not a request.

        Raises:
            WireError: bad body, or a kind that no client sends.
        """
        match header.kind:
            case Kind.PING:
                return Header(kind=Kind.PONG, id=header.id, seq=header.seq), None
            case Kind.HELLO:
                return self._greet(header, codec.convert(raw, Hello, header.id))
            case Kind.CANCEL:
                target = codec.convert(raw, Cancel, header.id).target
                return Header(kind=Kind.DONE, id=header.id), Stopped(ids=self._stop(target))
        raise WireError(
            ErrorCode.BAD_REQUEST,
            f"a client does not send frames of kind {header.kind.value!r}",
            request_id=header.id,
        )

    def _greet(self, header: Header, hello: Hello) -> Answer:
        if not hello.protocol_min <= PROTOCOL <= hello.protocol_max:
            raise WireError(
                ErrorCode.PROTOCOL_MISMATCH,
                f"the daemon speaks protocol {PROTOCOL}, the client {hello.protocol_min} to "
                f"{hello.protocol_max}",
                "bring client and daemon to the same release",
                request_id=header.id,
            )
        return Header(kind=Kind.WELCOME, id=header.id), self._welcome

    def _call(self, header: Header, raw: Any) -> Answer:
        if header.method not in CTL_METHODS:
            raise unknown_method(header, CTL_METHODS, "rpc" if header.method in RPC_METHODS else "")
        codec.convert(raw, CTL_METHODS[header.method][0], header.id)
        done = Header(kind=Kind.DONE, id=header.id)
        if header.method == "daemon.status":
            return done, self._status()
        self._shutdown()
        return done, Empty()


def unknown_method(header: Header, known: dict[str, Any], elsewhere: str) -> WireError:
    """Return the error for a method this socket does not have; ``elsewhere``: the one that has."""
    hint = f"ask on the {elsewhere} socket" if elsewhere else f"known here: {', '.join(known)}"
    return WireError(
        ErrorCode.UNKNOWN_METHOD,
        f"unknown method {header.method!r}",
        hint,
        request_id=header.id,
    )


def refusal(e: WireError) -> Answer:
    """Return the error frame of a frame that could not be accepted."""
    error = Error(code=e.code, message=e.message, hint=e.hint)
    return Header(kind=Kind.ERROR, id=e.request_id), error
