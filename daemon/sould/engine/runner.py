"""What the engine needs of a forward pass, whatever kind of body it is of."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol, TypeAlias

from torch import Tensor

from sould.engine.native.soul import StateSoul
from sould.engine.soul.weights import Soul, State
from sould.engine.spec import BodySpec

AnySoul: TypeAlias = Soul | StateSoul
Own: TypeAlias = Any
"""A soul or a cache of the runner's own kind."""


class Cache(Protocol):
    """What was computed of one conversation, and the tokens it belongs to (``kvcache.KVCache``).

    ``truncate`` goes back to that many tokens, or further where it cannot do that exactly.
    """

    tokens: list[int]

    @property
    def length(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def reserve(self, extra: int) -> None: ...

    def capacity_for(self, tokens: int) -> int: ...

    def copy_from(self, other: Own, length: int) -> None: ...

    def truncate(self, length: int) -> None: ...


class Runner(Protocol):
    """A body ready to run (``decoder.Decoder``, ``native.decoder.NativeDecoder``)."""

    spec: BodySpec

    @property
    def soul(self) -> Own: ...

    @soul.setter
    def soul(self, soul: Own) -> None: ...

    @property
    def soul_state(self) -> State | None: ...

    def wearing(self, soul: Own) -> AbstractContextManager[None]: ...

    def new_cache(self, limit: int) -> Own: ...

    def forward(
        self, ids: Sequence[int], cache: Own, *, want: Literal["last", "all", "none"] = "last"
    ) -> Tensor | None: ...
