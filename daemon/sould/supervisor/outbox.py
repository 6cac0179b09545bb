"""Frames one client has not taken yet: merged, bounded, timed. Pure: no socket, no clock."""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from soul_client.wire import Chunk, Header, Progress

MAX_FRAMES = 1024


class Pending(Struct):
    """One frame to be. ``texts`` are the chunks merged into it so far."""

    header: Header
    body: Struct | None
    texts: list[str]
    chars: int = 0

    def content(self) -> Struct | None:
        """Return the body, merged chunks joined."""
        return Chunk(text="".join(self.texts)) if self.texts else self.body


class Outbox:
    """The backlog of one client, in order.

    Chunks of a request that wait are joined into one frame of at most ``max_chunk_chars``;
    of two progress frames the newer one stays.
    """

    def __init__(self, *, now: float, max_chunk_chars: int) -> None:
        self.stalled_since = now
        self._max_chunk_chars = max_chunk_chars
        self._frames: deque[Pending] = deque()
        self._last: dict[str, Pending] = {}

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, header: Header, body: Struct | None) -> bool:
        """Append a frame, merged where possible; False if there is no room for it."""
        last = self._last.get(header.id)
        if last is not None and last.header.kind == header.kind:
            if isinstance(body, Progress):
                last.body = body
                return True
            if isinstance(body, Chunk) and last.chars + len(body.text) <= self._max_chunk_chars:
                last.texts.append(body.text)
                last.chars += len(body.text)
                return True
        if len(self._frames) >= MAX_FRAMES:
            return False
        pending = Pending(header, body, [])
        if isinstance(body, Chunk):
            pending.texts, pending.chars = [body.text], len(body.text)
        self._frames.append(pending)
        self._last[header.id] = pending
        return True

    def first(self) -> Pending:
        """Return the frame to be sent next."""
        return self._frames[0]

    def took_first(self, now: float) -> None:
        """Drop the first frame: the client has it; its clock starts anew."""
        taken = self._frames.popleft()
        if self._last.get(taken.header.id) is taken:
            del self._last[taken.header.id]
        self.stalled_since = now
