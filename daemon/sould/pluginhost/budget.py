"""Run a plugin's code for so long and no longer, and survive whatever it raises."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from msgspec import Struct


class Overrun(BaseException):
    """Raised in a plugin's code when its time is up; not an ``Exception``, so few catch it."""


class Unfit(Exception):
    """A fault of a plugin in words of ours, which may be told to anybody."""


class Outcome(Struct, kw_only=True):
    """What running it came to: a value, or ``what`` went wrong.

    ``what`` names types and places only; ``detail`` may hold what was said to the plugin.
    """

    value: Any = None
    what: str = ""
    detail: str = ""
    is_out_of_memory: bool = False


class Budget:
    """Owns SIGALRM of this process. Code that swallows ``Overrun`` gets it again and again; code
    that never comes back to Python is the supervisor's to end. For the main thread.
    """

    def __init__(self) -> None:
        self._is_armed = self._is_over = False
        self._parent = os.getppid()
        signal.signal(signal.SIGALRM, self._ring)

    def run(self, work: Callable[[], Any], budget_s: float) -> Outcome:
        """Run ``work``."""
        begun_s = time.monotonic()
        self._is_over = False
        try:
            try:
                self._is_armed = True
                signal.setitimer(signal.ITIMER_REAL, budget_s, budget_s)
                outcome = Outcome(value=work())
            finally:
                self._is_armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
        except BaseException as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            outcome = Outcome(
                what=_describe(error),
                detail=str(error),
                is_out_of_memory=isinstance(error, MemoryError),
            )
        if self._is_over:
            took_s = time.monotonic() - begun_s
            what = f"took longer than {budget_s * 1000:.0f} ms ({took_s * 1000:.0f} ms)"
            return Outcome(what=what, detail=outcome.detail)
        return outcome

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if os.getppid() != self._parent:  # the supervisor was killed
            os._exit(0)
        if self._is_armed:
            self._is_over = True
            raise Overrun


def _describe(error: BaseException) -> str:
    """Say what was raised and where, without the words of it: they may be the user's."""
    if isinstance(error, Unfit):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"raised {type(error).__name__}{place}"
