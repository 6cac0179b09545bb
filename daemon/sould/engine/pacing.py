"""How many tokens of a prompt to compute at once.

Large pieces are efficient, but between two of them is the only time a stop is noticed and
other replies get their turn. So pieces are as large as can be computed in a tenth of a
second, going by the speed of the last ones.
"""

from __future__ import annotations

from sould.engine.memory import PREFILL_TOKENS

TARGET_S = 0.1
_LEAST_TOKENS = 32
_STEP_TOKENS = 16


class Pacer:
    """Learns from every piece that was computed. Shared by all replies of a body."""

    def __init__(self) -> None:
        self._tokens_per_s = 0.0

    @property
    def size(self) -> int:
        """Tokens to compute next, from 32 to 256."""
        tokens = int(self._tokens_per_s * TARGET_S) // _STEP_TOKENS * _STEP_TOKENS
        return min(max(tokens, _LEAST_TOKENS), PREFILL_TOKENS)

    def note(self, tokens: int, took_s: float) -> None:
        """Take the speed of a piece into account; tiny ones say too little."""
        if tokens < _LEAST_TOKENS:
            return
        speed = tokens / max(took_s, 1e-6)
        self._tokens_per_s = (self._tokens_per_s + speed) / 2 if self._tokens_per_s else speed
