"""The states of one conversation, and the tokens that they have read.

A state cannot be cut back as keys and values can: it is kept every ``STATE_EVERY`` tokens, and
going back means going to the last one kept before.
"""

from __future__ import annotations

from collections.abc import Sequence

from sould.engine.memory import STATE_EVERY
from sould.engine.native.carry import Carry
from sould.engine.spec import BodySpec


class StateCache:
    """Has the same members as ``KVCache``; ``truncate`` may go back further than it is told.

    ``carries``: of each layer, after the last token; None before the first: then it is for who
    computes to say what a text begins with.
    """

    def __init__(self, spec: BodySpec, *, limit: int) -> None:
        self.limit = limit
        self.tokens: list[int] = []
        self.carries: Sequence[Carry] | None = None
        self._kept: dict[int, Sequence[Carry]] = {}
        self._state_bytes = 4 * spec.state_floats

    @property
    def length(self) -> int:
        """Tokens that were read."""
        return len(self.tokens)

    @property
    def nbytes(self) -> int:
        return (len(self._kept) + 1) * 2 * self._state_bytes

    def reserve(self, extra: int) -> None:
        """Check that there is room for ``extra`` more tokens.

        Raises:
            ValueError: that would be more than ``limit`` tokens.
        """
        need = self.length + extra
        if need > self.limit:
            raise ValueError(f"{need} tokens do not fit a context of {self.limit}")

    def capacity_for(self, tokens: int) -> int:
        """Return how many tokens' worth of memory it takes once it has read ``tokens``."""
        return max(tokens, STATE_EVERY)

    def next_stop(self) -> int:
        """Return how many tokens may be read before the states have to be kept."""
        return STATE_EVERY - self.length % STATE_EVERY

    def extend(self, ids: Sequence[int], carries: Sequence[Carry]) -> None:
        """Take note of what was read, and what follows: ``next_stop`` tokens at most."""
        self.tokens.extend(ids)
        self.carries = carries
        if self.length % STATE_EVERY == 0:
            self._kept[self.length] = carries

    def copy_from(self, other: StateCache, length: int) -> None:
        """Become a copy of ``other`` after its first ``length`` tokens, or after fewer."""
        self.tokens, self.carries = list(other.tokens), other.carries
        self._kept = dict(other._kept)
        self.truncate(length)

    def truncate(self, length: int) -> None:
        """Go back to the state kept last before ``length`` tokens were read, or at them."""
        if length >= self.length:
            return
        self._kept = {at: kept for at, kept in self._kept.items() if at <= length}
        last = max(self._kept, default=0)
        self.carries = self._kept.get(last)
        del self.tokens[last:]
