"""What goes over the WebSocket: one JSON object a message."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from soul_client.errors import DaemonError, SoulError, WireError
from soul_client.exchange import SeenEvent
from soul_client.wire import ErrorCode

MOST_MESSAGE_BYTES = 4 << 20
"""Of a message of a page: as much as the daemon takes in a frame."""
DISCONNECTED = "disconnected"
"""The code of an error that is no daemon's: there is none, or it went away."""


class Asked(Struct, frozen=True, kw_only=True):
    """A request of a page, or with ``cancel`` the wish that one ends. ``id``: the page's own."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    method: Annotated[str, Meta(max_length=64)] = ""
    params: dict[str, Any] = {}
    cancel: bool = False


def read(text: str | bytes) -> Asked:
    """Read a message of a page.

    Raises:
        WireError: ``bad_request``, it is none.
    """
    try:
        return msgspec.json.decode(text, type=Asked)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as e:
        raise WireError(ErrorCode.BAD_REQUEST, f"not a message: {e}") from e


def answer(id_: str, kind: str, body: object, *, request: str = "") -> str:
    """Return a message that answers a request: ``ack``, ``progress``, ``chunk`` or ``done``.

    ``request``: by which id the daemon, and thus every other client, knows it.
    """
    named = {"request": request} if request else {}
    return _write({"id": id_, "kind": kind, **named, "body": body})


def error(id_: str, fault: SoulError) -> str:
    """Return the message that a request failed."""
    if isinstance(fault, DaemonError | WireError):
        body = {"code": fault.code.value, "message": fault.message, "hint": fault.hint}
    else:
        body = {"code": DISCONNECTED, "message": str(fault), "hint": ""}
    return answer(id_, "error", body)


def event(seen: SeenEvent) -> str:
    """Return the message that something happened. What a subscriber is welcomed with is how the
    daemon is: ``state``.
    """
    name = "state" if seen.event.name == "welcome" else seen.event.name
    told = {"name": name, "seq": seen.seq, "ts": seen.event.ts, "data": seen.event.data}
    return _write({"kind": "event", **told})


def link(daemon_id: str) -> str:
    """Return the message that there is a daemon, or with "" that there is none."""
    return _write({"kind": "link", "up": bool(daemon_id), "daemon": daemon_id})


def _write(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode("utf-8")
