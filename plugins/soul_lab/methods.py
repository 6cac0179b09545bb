"""What a page may ask the daemon for: nothing that takes a path of this machine."""

from __future__ import annotations

import re
from typing import Any

from soul_client import calls, wire
from soul_client.calls import Call
from soul_client.codec import convert
from soul_client.errors import WireError
from soul_client.wire import BodyPull, Cancel, Catalog, ErrorCode

QUICK = frozenset(
    {
        *("chat.send", "session.list", "session.get", "diary.documents", "text.score"),
        *("body.list", "body.info", "body.unload", "body.catalog"),
        *("soul.list", "soul.use", "soul.new", "soul.save", "soul.history", "soul.undo"),
        *("soul.reset", "soul.diff", "soul.why", "soul.report", "soul.reports"),
        *("config.show", "config.set", "plugins.list", "daemon.status"),
    }
)
"""These end when the page that asked is closed."""
LASTING = frozenset({"body.load", "body.pull", "soul.sleep", "soul.forget", "soul.reincarnate"})
"""These go on."""
CANCEL = "lab.cancel"
"""Ends any request, of whomever: ``{"target": id}``; ``sleep`` wakes the soul."""
_ON_THE_HUB = re.compile(r"hf:[\w./@:-]{1,300}", re.ASCII)


def call_of(method: str, params: dict[str, Any]) -> Call[Any]:
    """Return the call that a page asks for.

    Raises:
        WireError: ``unknown_method``: there is none, or none for pages; ``bad_request``: its
            parameters are wrong.
    """
    if method == CANCEL:
        return calls.cancel(convert(params, Cancel).target)
    types = wire.RPC_METHODS.get(method) or wire.CTL_METHODS.get(method)
    if types is None or method not in QUICK | LASTING:
        raise WireError(ErrorCode.UNKNOWN_METHOD, f"a page may not ask for {method!r}")
    return calls.by_name(method, convert(params, types[0]))


def needs_catalog(call: Call[Any]) -> bool:
    """Tell whether the source of a pull means something else than a body on the hub."""
    pull = call.params
    return isinstance(pull, BodyPull) and bool(pull.source) and not is_on_the_hub(pull.source)


def is_on_the_hub(source: str) -> bool:
    """Tell whether a source can only be a body on the hub."""
    return bool(_ON_THE_HUB.fullmatch(source))


def require_listed(call: Call[Any], catalog: Catalog) -> None:
    """Refuse a pull from this machine's files.

    Raises:
        WireError: ``bad_request``.
    """
    source = call.params.source  # type: ignore[attr-defined]
    if source not in {entry.name for entry in catalog.bodies}:
        raise WireError(
            ErrorCode.BAD_REQUEST,
            f"{source[:80]!r} is neither in the catalog nor 'hf:org/name'",
            "a file of this machine is taken by 'soul body pull PATH'",
        )
