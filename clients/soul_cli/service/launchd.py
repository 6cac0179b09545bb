"""The service under launchd, in the user's graphical session."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from soul_cli.service import launchd_agent
from soul_cli.service.launchd_agent import LABEL
from soul_cli.service.manager import State
from soul_cli.service.spec import Installed, Service
from soul_cli.service.tools import Run, run
from soul_client.errors import ServiceFailed

_PID = re.compile(r"^\s*pid = (\d+)$", re.MULTILINE)
_LAST_EXIT = re.compile(r"^\s*last exit code = (.+)$", re.MULTILINE)


class Launchd:
    """``launchctl`` for the session of user ``uid``."""

    def __init__(self, uid: int, run: Run = run) -> None:
        self._run = run
        self._domain = f"gui/{uid}"
        self._target = f"{self._domain}/{LABEL}"
        self.definition = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def require(self) -> None:
        """Ask for the session; who came by ssh alone has none."""
        self._run(["launchctl", "print", self._domain])

    def render(self, service: Service) -> bytes:
        """Return the agent."""
        return launchd_agent.render(service)

    def read(self, data: bytes) -> Installed | None:
        """Return what an agent says."""
        return launchd_agent.read(data)

    def start(self) -> None:
        """Load the agent, which starts it; one that is loaded is unloaded first."""
        if self._is_loaded():
            self._run(["launchctl", "bootout", self._target])
        self._run(["launchctl", "enable", self._target])
        self._run(["launchctl", "bootstrap", self._domain, str(self.definition)])

    def stop(self) -> None:
        """Unload the agent, which ends it."""
        if self._is_loaded():
            self._run(["launchctl", "bootout", self._target])

    def removed(self) -> None:
        """Nothing to do: launchd looks at the folder at each login."""

    def state(self) -> State:
        """Ask for the agent's state."""
        if not self._is_loaded():
            return State(is_enabled=False, is_running=False, note="not loaded")
        shown = self._run(["launchctl", "print", self._target])
        pid, last = _PID.search(shown), _LAST_EXIT.search(shown)
        return State(
            is_enabled=True,
            is_running=pid is not None,
            pid=int(pid[1]) if pid else 0,
            note="" if pid or not last else f"last exit code {last[1]}",
        )

    def journal(self, lines: int, *, follow: bool) -> Sequence[str]:
        """Return nothing: launchd keeps no log of its own."""
        return ()

    def _is_loaded(self) -> bool:
        try:
            self._run(["launchctl", "print", self._target])
        except ServiceFailed:  # so it says that it knows no such service
            return False
        return True
