"""What was said off the record: in memory only, for the client that said it, and not for long."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from msgspec import Struct

from sould.supervisor.sessions import Session

KEEP_S = 15 * 60.0
MAX_PER_CLIENT = 4
MAX_IN_ALL = 64


class _Kept(Struct):
    session: Session
    expiry: asyncio.TimerHandle


class OffRecord:
    """Conversations off the record: what was recorded before, and what was not since then.

    Each belongs to the connection that leads it. It is gone when a turn of the session is
    recorded, ``keep_s`` after its last turn, or when newer ones take its place.
    """

    def __init__(self, *, keep_s: float = KEEP_S) -> None:
        self._keep_s = keep_s
        self._kept: OrderedDict[tuple[bytes, str], _Kept] = OrderedDict()

    def get(self, client: bytes, id: str) -> Session | None:
        """Return the conversation a client leads off the record under a session id."""
        kept = self._kept.get((client, id))
        return kept.session if kept else None

    def keep(self, client: bytes, id: str, session: Session) -> None:
        """Remember a conversation after a turn."""
        self._drop(client, id)
        expiry = asyncio.get_running_loop().call_later(self._keep_s, self._drop, client, id)
        self._kept[client, id] = _Kept(session=session, expiry=expiry)
        own = [key for key in self._kept if key[0] == client]
        for key in [*own[:-MAX_PER_CLIENT], *list(self._kept)[:-MAX_IN_ALL]]:
            self._drop(*key)

    def end(self, id: str) -> None:
        """Forget what any client said off the record in a session."""
        for key in [key for key in self._kept if key[1] == id]:
            self._drop(*key)

    def _drop(self, client: bytes, id: str) -> None:
        if kept := self._kept.pop((client, id), None):
            kept.expiry.cancel()
