"""How far a pull is: counted here, shown by whoever asked."""

from __future__ import annotations

import time
from collections.abc import Callable

from soul_client.wire import Progress

OnProgress = Callable[[Progress], None]

_EVERY_S = 0.1


class Meter:
    """Counts bytes of one stage and tells ``on_progress``, at most ten times a second."""

    def __init__(
        self, on_progress: OnProgress, stage: str, total_bytes: int, note: str = ""
    ) -> None:
        self._on_progress = on_progress
        self._stage = stage
        self._note = note
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._told_at = 0.0
        self._tell()

    def add(self, count: int) -> None:
        """Count ``count`` more bytes (fewer, where a download had to go back)."""
        self.set(self._done_bytes + count)

    def set(self, done_bytes: int) -> None:
        """Say that ``done_bytes`` are done."""
        if done_bytes == self._done_bytes:
            return
        self._done_bytes = done_bytes
        is_last = done_bytes >= self._total_bytes
        if is_last or time.monotonic() - self._told_at >= _EVERY_S:
            self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        self._on_progress(
            Progress(
                stage=self._stage,
                done=min(self._done_bytes, self._total_bytes),
                total=self._total_bytes,
                note=self._note,
            )
        )
