"""Eight bytes that both processes see: whose code runs now.

The host writes them before every call into a plugin, which costs no system call; so whatever
becomes of the host, the supervisor knows in whose hands it was.
"""

from __future__ import annotations

import mmap
import struct

from msgspec import Struct

LOADING = "loading"

_WORD = struct.Struct("<Q")
_MOST_MS = (1 << 16) - 1


class At(Struct, frozen=True, kw_only=True):
    """``step``: changes with every call. ``plugin``, ``hook``: indices, None: no plugin runs."""

    step: int
    budget_s: float
    hook: int
    plugin: int | None


class Mark:
    """The shared bytes, by the descriptor of a file. The file stays open for as long as this."""

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, mmap.PAGESIZE)
        self._step = 0

    def set(self, plugin: int, hook: int, budget_s: float) -> None:
        """Say whose code runs from now on."""
        self._step = (self._step + 1) & 0xFFFFFFF
        budget_ms = min(int(budget_s * 1000), _MOST_MS)
        word = self._step << 36 | budget_ms << 20 | hook << 12 | plugin + 1
        _WORD.pack_into(self._map, 0, word)

    def clear(self) -> None:
        """Say that it is ours again."""
        _WORD.pack_into(self._map, 0, self._step << 36)

    def read(self) -> At:
        """Return what was said last."""
        (word,) = _WORD.unpack_from(self._map)
        plugin = word & 0xFFF
        return At(
            step=word >> 36,
            budget_s=((word >> 20) & 0xFFFF) / 1000,
            hook=(word >> 12) & 0xFF,
            plugin=plugin - 1 if plugin else None,
        )

    def close(self) -> None:
        """Free the memory."""
        self._map.close()
