"""Long work on a body in a process of its own; JSON lines for the daemon, as ``sould pull`` has."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

import msgspec

from soul_client.errors import SoulError
from soul_client.wire import Progress
from sould.bodystore import show
from sould.errors import Cancelled, SouldError

NICENESS = 10


class Stop:
    """Whether a signal asked to stop, or the daemon that listened is gone. ``stopped``: what to
    say of work that ends by it.
    """

    def __init__(self, stopped: str) -> None:
        self.is_asked = False
        self._stopped = stopped

    def hear(self, number: int, frame: FrameType | None) -> None:
        self.is_asked = True

    def say(self, key: str, value: msgspec.Struct) -> None:
        """Write a line for the daemon."""
        try:
            show.write_json(key, value)
        except BrokenPipeError:
            self.is_asked = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def tell(self, progress: Progress) -> None:
        """Say how far the work is."""
        self.say("progress", progress)

    def check(self) -> None:
        """Stop here.

        Raises:
            Cancelled: somebody asked for it.
        """
        if self.is_asked:
            raise Cancelled(self._stopped)


def run(work: Callable[[Stop], msgspec.Struct], *, stopped: str) -> int:
    """Run ``work`` at a lower priority; returns the exit code: 0, or 1 on an error or when it was
    stopped. ``stopped``: as ``Stop`` has it.
    """
    stop = Stop(stopped)
    if hasattr(os, "nice"):  # who talks to a body meanwhile goes first
        os.nice(NICENESS)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.hear)
    try:
        done = work(stop)
    except (SouldError, SoulError) as e:
        stop.say("error", show.as_error(e))
        return 1
    stop.say("done", done)
    return 0
