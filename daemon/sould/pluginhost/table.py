"""What each hook is given, gives back, and how long it may take."""

from __future__ import annotations

from typing import Any

import msgspec

from sould.plugin.declared import Frontend, Job
from sould.plugin.structs import (
    Added,
    Body,
    Dream,
    Event,
    Home,
    Night,
    Report,
    SoulFile,
    Told,
    Turn,
)

HOOKS = (
    "loading",
    "register_jobs",
    "register_frontends",
    "daemon_ready",
    "before_turn",
    "memory_write_policy",
    "after_turn",
    "on_event",
    "body_swapped",
    "before_sleep",
    "select_replay",
    "make_dreams",
    "accept_sleep",
    "after_sleep",
    "vet_soul",
    "shutdown",
)
"""By their index in :mod:`sould.pluginhost.mark`; "loading" is none, but runs a plugin's code."""

ARGUMENTS: dict[str, Any] = {
    "home": Home,
    "turn": Turn,
    "event": Event,
    "body": Body,
    "night": Night,
    "told": list[Told],
    "report": Report,
    "soul": SoulFile,
}

RESULTS: dict[str, Any] = {
    "register_jobs": list[Job] | None,
    "register_frontends": list[Frontend] | None,
    "before_turn": Added | None,
    "memory_write_policy": bool | None,
    "select_replay": list[str] | None,
    "make_dreams": list[Dream] | None,
    "accept_sleep": str | None,
    "vet_soul": str | None,
}
"""Others return None."""

DECODERS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    hook: msgspec.msgpack.Decoder(RESULTS.get(hook)) for hook in HOOKS
}
"""Of what hooks return; made once, as that takes longer than to use them."""

QUICK = frozenset({"before_turn", "memory_write_policy", "after_turn", "on_event"})
"""These have ``plugins.time_budget_ms``; the others may take ten times as long."""

PATIENCE = 10
LOADING_S = 10.0
