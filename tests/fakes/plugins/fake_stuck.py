"""Waits for ever and hears no signal, as code in C may."""

from __future__ import annotations

import signal
import time

from sould.plugin import hookimpl


@hookimpl
def before_turn() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(3600)
