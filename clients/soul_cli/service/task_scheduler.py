"""The service under Windows' Task Scheduler."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from soul_cli.service import windows_task
from soul_cli.service.manager import State
from soul_cli.service.spec import Installed, Service
from soul_cli.service.tools import Run, run
from soul_cli.service.windows_task import NAME
from soul_client.errors import ServiceFailed

_RUNNING = "267009"
"""SCHED_S_TASK_RUNNING, the last result of a task while it runs, in every language."""


class TaskScheduler:
    """``schtasks``; the task's XML is kept beside, to be read again."""

    def __init__(self, run: Run = run) -> None:
        self._run = run
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
        self.definition = Path(base, "Bit-TTT", "task.xml")

    def require(self) -> None:
        """Ask the scheduler for its tasks."""
        self._run(["schtasks", "/Query"])

    def render(self, service: Service) -> bytes:
        """Return the task, for the user who asks."""
        domain, name = os.environ.get("USERDOMAIN", ""), os.environ.get("USERNAME", "")
        return windows_task.render(service, f"{domain}\\{name}" if domain else name)

    def read(self, data: bytes) -> Installed | None:
        """Return what a task says."""
        return windows_task.read(data)

    def start(self) -> None:
        """Register the task, in place of an older one, and run it."""
        self._run(["schtasks", "/Create", "/TN", NAME, "/XML", str(self.definition), "/F"])
        self._run(["schtasks", "/Run", "/TN", NAME])

    def stop(self) -> None:
        """Remove the task; its daemon was ended before, in good order."""
        if self._is_registered():
            self._run(["schtasks", "/Delete", "/TN", NAME, "/F"])

    def removed(self) -> None:
        """Nothing to do: what counts is the registered task."""

    def state(self) -> State:
        """Ask for the task; that it runs, its last result tells."""
        if not self._is_registered():
            return State(is_enabled=False, is_running=False, note="not registered")
        shown = self._run(["schtasks", "/Query", "/TN", NAME, "/FO", "CSV", "/V"])
        return State(is_enabled=True, is_running=f'"{_RUNNING}"' in shown)

    def journal(self, lines: int, *, follow: bool) -> Sequence[str]:
        """Return nothing: the scheduler keeps no log of what a task says."""
        return ()

    def _is_registered(self) -> bool:
        try:
            self._run(["schtasks", "/Query", "/TN", NAME])
        except ServiceFailed:  # so it says that it knows no such task
            return False
        return True
