"""Private messages between supervisor and engine: same frames as the public wire.

The supervisor binds a PAIR socket, the engine connects. Light: no torch here.
Request frames carry ``method``; the engine answers progress*, chunk*, done | error with
the same id, and stops a request on a ``cancel`` frame whose header id names it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from soul_client.wire import ChatMessage, Empty, Finish, LoadedBody, Sampling, Usage


class Load(Struct, frozen=True, kw_only=True):
    """``load``: read a body into memory. None or "auto" leaves the choice to the engine.

    Budgets are bytes; ``cache_dir`` is where compiled kernels are kept.
    """

    name: str
    path: str
    cache_dir: str
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    kernel: Literal["auto", "native", "torch"] = "auto"
    threads: int | None = None
    context_tokens: int | None = None
    memory_budget_bytes: int | None = None
    vram_budget_bytes: int | None = None
    parallel: int = 4


class Generate(Struct, frozen=True, kw_only=True):
    """``generate``: answer the last user message.

    ``messages``: an optional system message first, then user and assistant in turn.
    ``keep_from``: index into ``messages`` (system not counted) of the oldest turn still in
    the context, as an earlier ``Generated`` of this session said; so the prefix stays put.
    ``echo_prompt``: ``Generated`` has the prompt as text.
    """

    messages: list[ChatMessage]
    sampling: Sampling
    keep_from: int = 0
    echo_prompt: bool = False


class Generated(Struct, frozen=True, kw_only=True):
    """Result of ``generate``; ``text`` is all chunks joined.

    ``prompt``: if it was asked for, what was read, control tokens included.
    """

    text: str
    finish: Finish
    usage: Usage
    keep_from: int = 0
    prompt: str | None = None


class Memory(Struct, frozen=True, kw_only=True):
    """Result of ``memory``: resident bytes of the engine process and of its GPU, if any."""

    resident_bytes: int
    gpu_bytes: int = 0


ENGINE_METHODS: dict[str, tuple[type[Struct], type[Struct]]] = {
    "load": (Load, LoadedBody),
    "generate": (Generate, Generated),
    "memory": (Empty, Memory),
}
"""``method -> (parameters, result)``."""


class EngineReady(Struct, frozen=True, kw_only=True):
    """First frame of a fresh engine (kind ``welcome``)."""

    pid: int
    torch: str
    devices: list[str] = field(default_factory=list)
