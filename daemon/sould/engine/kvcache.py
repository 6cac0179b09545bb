"""Keys and values of one conversation, and the tokens they belong to.

Shapes: ``k[layer]``, ``v[layer]``: (n_kv_heads, capacity, head_dim); the first ``length``
positions are filled. Buffers grow by half when full, up to ``limit`` tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sould.engine.spec import BodySpec

FIRST_CAPACITY = 256


class KVCache:
    """Grows with the conversation; ``truncate`` goes back to any earlier point."""

    def __init__(
        self,
        spec: BodySpec,
        *,
        limit: int,
        devices: Sequence[torch.device] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.limit = limit
        self.tokens: list[int] = []
        self.capacity = min(FIRST_CAPACITY, limit)
        devices = devices or [torch.device("cpu")] * spec.n_layers
        shape = (spec.n_kv_heads, self.capacity, spec.head_dim)
        self.k = [torch.empty(shape, dtype=dtype, device=d) for d in devices]
        self.v = [torch.empty(shape, dtype=dtype, device=d) for d in devices]

    @property
    def length(self) -> int:
        """Tokens whose keys and values are in the cache."""
        return len(self.tokens)

    @property
    def nbytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in (*self.k, *self.v))

    def reserve(self, extra: int) -> None:
        """Make room for ``extra`` more tokens.

        Raises:
            ValueError: that would be more than ``limit`` tokens.
        """
        need = self.length + extra
        if need > self.limit:
            raise ValueError(f"{need} tokens do not fit a context of {self.limit}")
        if need <= self.capacity:
            return
        self.capacity = self.capacity_for(need)
        self.k = [self._grown(t) for t in self.k]
        self.v = [self._grown(t) for t in self.v]

    def capacity_for(self, tokens: int) -> int:
        """Return the capacity the buffers will have once they hold ``tokens``."""
        if tokens <= self.capacity:
            return self.capacity
        return min(self.limit, max(tokens, self.capacity * 3 // 2))

    def copy_from(self, other: KVCache, length: int) -> None:
        """Become a copy of the first ``length`` tokens of ``other``, a cache of the same body."""
        self.truncate(0)
        self.reserve(length)
        for mine, theirs in zip((*self.k, *self.v), (*other.k, *other.v), strict=True):
            mine[:, :length] = theirs[:, :length]
        self.tokens = other.tokens[:length]

    def truncate(self, length: int) -> None:
        """Forget everything after the first ``length`` tokens."""
        del self.tokens[length:]

    def _grown(self, old: Tensor) -> Tensor:
        new = old.new_empty(old.shape[0], self.capacity, old.shape[2])
        new[:, : self.length] = old[:, : self.length]
        return new
