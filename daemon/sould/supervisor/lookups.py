"""Methods that only look something up."""

from __future__ import annotations

import asyncio

from soul_client.wire import SessionGet, SessionHistory, SessionList, SessionListOf
from sould.errors import NotFound
from sould.supervisor.request import Request
from sould.supervisor.sessions import Sessions


class Lookups:
    """Handlers of ``session.*``."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def list_sessions(self, request: Request, params: SessionListOf) -> SessionList:
        """List the sessions held here, or those imported, the one used last first."""
        request.ack()
        reading = asyncio.to_thread(self._sessions.infos, imported=params.imported)
        return SessionList(sessions=await request.race(reading))

    async def get_session(self, request: Request, params: SessionGet) -> SessionHistory:
        """Return what was said in a session."""
        request.ack()
        reading = asyncio.to_thread(self._sessions.history, params.session)
        messages = await request.race(reading)
        if not messages:
            raise NotFound(f"no session {params.session!r} in the diary")
        return SessionHistory(session=params.session, messages=messages)
