"""What each system's service manager can be asked for, and which one is here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from soul_cli.service.spec import Installed, Service
from soul_client.errors import ServiceFailed


@dataclass(frozen=True, kw_only=True)
class State:
    """How the installed service is. ``since``: in the manager's words, "" if it does not run."""

    is_enabled: bool
    is_running: bool
    pid: int = 0
    since: str = ""
    note: str = ""


class Manager(Protocol):
    """A service manager. ``definition``: the file that defines our service."""

    @property
    def definition(self) -> Path: ...

    def require(self) -> None:
        """Raise ``ServiceFailed`` where the manager cannot be reached."""

    def render(self, service: Service) -> bytes: ...

    def read(self, data: bytes) -> Installed | None:
        """Return what a definition says; None for one that is not ours."""

    def start(self) -> None:
        """Take the definition in, have it started at each login, and start it now."""

    def stop(self) -> None:
        """Stop the service and forget about it; the definition is still there."""

    def removed(self) -> None:
        """Take note that the definition is gone."""

    def state(self) -> State: ...

    def journal(self, lines: int, *, follow: bool) -> Sequence[str]:
        """Return the command that prints the service's log; empty: the system keeps none."""


def manager_here() -> Manager:
    """Return the service manager of this system.

    Raises:
        ServiceFailed: there is none that we know.
    """
    if sys.platform == "linux":
        from soul_cli.service.systemd import Systemd

        return Systemd()
    if sys.platform == "darwin":
        from soul_cli.service.launchd import Launchd

        return Launchd(os.getuid())
    if sys.platform == "win32":
        from soul_cli.service.task_scheduler import TaskScheduler

        return TaskScheduler()
    raise ServiceFailed(f"services are not known on {sys.platform}", "start it with 'soul up'")
