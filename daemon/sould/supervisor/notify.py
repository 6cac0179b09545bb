"""Tells the service manager that started us how we are: sd_notify(3), spoken by hand.

Nothing is said where no ``NOTIFY_SOCKET`` is set: nobody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import MutableMapping

log = logging.getLogger(__name__)

BEATS_A_TIMEOUT = 2
"""How often the watchdog is fed within the time after which it would end us."""

PATIENCE_S = 1.0
"""For what is said once and must arrive; the rest is said again, and may be lost."""


class Notifier:
    """Speaks to ``address``, a path or ``@name`` (Linux's abstract sockets); "" is nobody.

    ``watchdog_s``: how long the manager waits for a sign of life before it ends us; 0: for ever.
    """

    def __init__(self, address: str, watchdog_s: float = 0.0) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._is_deaf = False

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> Notifier:
        """Take what the manager said out of ``environ``: our children do not speak for us."""
        address = environ.pop("NOTIFY_SOCKET", "")
        timeout_us = environ.pop("WATCHDOG_USEC", "")
        watched_pid = environ.pop("WATCHDOG_PID", "")
        if address and not address.startswith(("/", "@")):
            log.warning("NOTIFY_SOCKET %r is no local socket; the manager is told nothing", address)
            address = ""
        is_watched = timeout_us.isdecimal() and watched_pid in ("", str(os.getpid()))
        return cls(address, int(timeout_us) / 1e6 if is_watched else 0.0)

    def ready(self) -> None:
        """Say that clients can connect."""
        self._send("READY=1", PATIENCE_S)

    def status(self, text: str) -> None:
        """Say in a line what we are doing."""
        self._send(f"STATUS={' '.join(text.split())}")

    def stopping(self) -> None:
        """Say that we are ending."""
        self._send("STOPPING=1", PATIENCE_S)

    async def beat(self) -> None:
        """Feed the watchdog for as long as the loop goes round; returns where there is none."""
        while self._address and self._watchdog_s:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / BEATS_A_TIMEOUT)

    def _send(self, message: str, patience_s: float = 0.0) -> None:
        """Send one message; ``patience_s``: how long a manager that is busy is waited for."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_manager:
                to_manager.settimeout(patience_s)
                to_manager.sendto(message.encode(), self._address)
            self._is_deaf = False
        except OSError as e:
            if not self._is_deaf:
                log.warning("the service manager cannot be told %s: %s", message, e)
            self._is_deaf = True
