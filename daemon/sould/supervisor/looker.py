"""Looking at something that changes by itself: soon after a notice, and else now and then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sould.errors import SouldError
from sould.supervisor.background import Background

log = logging.getLogger(__name__)

SOON_S = 0.05
POLL_S = 0.5
"""How often is looked where the system sends no notices."""
ANYWAY_S = 60.0
"""The same where it does: some are lost when too much happens at once."""
REST = 1.0
"""While notices come all the time, it is left alone for so many times as long as a look takes."""


class Looker:
    """Calls ``look``, never twice at a time. It returns in how many seconds it wants to be called
    again, None if nothing is being waited for.
    """

    def __init__(self, look: Callable[[], Awaitable[float | None]]) -> None:
        self.every_s = ANYWAY_S
        self._look = look
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._background = Background()
        self._timer: asyncio.TimerHandle | None = None
        self._took_s = 0.0
        self._is_closed = False
        self._failed = ""

    def begin(self, is_noticed: bool) -> None:
        """Look soon, and often from then on where nobody calls :meth:`notice`."""
        if not is_noticed:
            self.every_s = POLL_S
        self.notice()

    def notice(self) -> None:
        """Something has happened: look soon."""
        self._arm(max(SOON_S, REST * self._took_s))

    async def now(self) -> None:
        """Look now.

        Raises:
            SouldError: as ``look``.
        """
        async with self._lock:
            self._disarm()
            began_s = self._loop.time()
            wait_s: float | None = None
            try:
                wait_s = await self._look()
            finally:
                self._took_s = self._loop.time() - began_s
                self._arm(self.every_s if wait_s is None else min(wait_s, self.every_s))

    def close(self) -> None:
        """Look no more."""
        self._is_closed = True
        self._disarm()
        self._background.cancel()

    def _arm(self, delay_s: float) -> None:
        """Look after so long, if not before."""
        if self._is_closed:
            return
        at_s = self._loop.time() + delay_s
        if self._timer is None or at_s < self._timer.when():
            self._disarm()
            self._timer = self._loop.call_at(at_s, self._start)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        self._timer = None
        self._background.start(self._unasked())

    async def _unasked(self) -> None:
        try:
            await self.now()
        except SouldError as e:
            if str(e) != self._failed:  # once, not with every look
                log.warning("%s", e)
            self._failed = str(e)
        else:
            self._failed = ""
