"""Notice a plugin host that does not come back, and end it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sized

from sould.pluginhost.mark import At
from sould.supervisor.plugins.process import HostProcess

log = logging.getLogger(__name__)

LOOK_S = 0.25
GRACE_S = 1.0
"""Beyond the budget: the host itself has raised in the plugin's code by then."""
LOADING_S = 60.0
"""For the interpreter to start, on a machine that has much else to do."""
OWN_S = 5.0
"""For the host's own code between two plugins."""


class Hanging:
    """Looks at a host as long as it has work, and not otherwise.

    Looks are counted, not seconds: when the machine was stopped meanwhile, so was the host.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.has_ended = False
        self._loop = loop
        self._process: HostProcess | None = None
        self._calls: Sized = ()
        self._timer: asyncio.TimerHandle | None = None
        self._is_loading = False
        self._seen: At | None = None
        self._looks = 0

    def watch(self, process: HostProcess, calls: Sized, *, is_loading: bool = False) -> None:
        """Look after a host until it has no work any more. ``calls``: those not answered."""
        self._process, self._calls = process, calls
        self._is_loading = self._is_loading or is_loading
        if self._timer is None:
            self._seen, self._looks, self.has_ended = None, 0, False
            self._timer = self._loop.call_later(LOOK_S, self._look)

    def loaded(self) -> None:
        """Take note that the host has loaded its plugins."""
        self._is_loading = False

    def rest(self) -> None:
        """Look no more: the host is gone, or about to go."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._is_loading = None, False

    def _look(self) -> None:
        self._timer = None
        assert self._process is not None
        at = self._process.at()
        self._looks = self._looks + 1 if at == self._seen else 0
        self._seen = at
        if at.plugin is None and not self._calls and not self._is_loading:
            return
        if self._looks * LOOK_S > self._patience_s(at):
            log.debug("the plugin host does not come back and is ended")
            self.has_ended = True
            self._process.kill()
            return
        self._timer = self._loop.call_later(LOOK_S, self._look)

    def _patience_s(self, at: At) -> float:
        if at.plugin is not None:
            return at.budget_s + GRACE_S
        return LOADING_S if self._is_loading else OWN_S
