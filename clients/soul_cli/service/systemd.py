"""The service under systemd's user manager."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from soul_cli.service import systemd_unit
from soul_cli.service.manager import State
from soul_cli.service.spec import Installed, Service
from soul_cli.service.systemd_unit import NAME
from soul_cli.service.tools import Run, run
from soul_client.errors import ServiceFailed

_ASKED = ("ActiveState", "UnitFileState", "MainPID", "ActiveEnterTimestamp", "Result", "NRestarts")


class Systemd:
    """``systemctl --user``."""

    def __init__(self, run: Run = run) -> None:
        self._run = run
        base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        self.definition = Path(base, "systemd", "user", NAME)

    def require(self) -> None:
        """Ask the user's manager for anything; without a login session there is none."""
        try:
            self._ask("show-environment")
        except ServiceFailed as e:
            raise ServiceFailed(
                str(e), "log in on a system that systemd runs, or start it with 'soul up'"
            ) from e

    def render(self, service: Service) -> bytes:
        """Return the unit."""
        return systemd_unit.render(service)

    def read(self, data: bytes) -> Installed | None:
        """Return what a unit says."""
        return systemd_unit.read(data)

    def start(self) -> None:
        """Enable and start the unit; one that failed too often is given another chance."""
        self._ask("daemon-reload")
        self._ask("enable", NAME)
        if self._shown()["ActiveState"] == "failed":
            self._ask("reset-failed", NAME)
        self._ask("start", NAME)

    def stop(self) -> None:
        """Disable and stop the unit; returns when the daemon has ended."""
        self._ask("disable", "--now", NAME)

    def removed(self) -> None:
        """Let the manager see that the unit is gone."""
        self._ask("daemon-reload")

    def state(self) -> State:
        """Ask for the unit's state."""
        shown = self._shown()
        is_running = shown["ActiveState"] in ("active", "reloading")
        note = shown["ActiveState"]
        if shown["Result"] not in ("", "success"):
            note += f" ({shown['Result']}, {shown['NRestarts']} restarts)"
        return State(
            is_enabled=shown["UnitFileState"] == "enabled",
            is_running=is_running,
            pid=int(shown["MainPID"] or 0) if is_running else 0,
            since=shown["ActiveEnterTimestamp"] if is_running else "",
            note=note,
        )

    def journal(self, lines: int, *, follow: bool) -> Sequence[str]:
        """Return the ``journalctl`` of the unit."""
        command = ["journalctl", "--user", f"--unit={NAME}", f"--lines={lines}", "--no-pager"]
        return [*command, "--follow"] if follow else command

    def _shown(self) -> dict[str, str]:
        lines = self._ask("show", NAME, f"--property={','.join(_ASKED)}").splitlines()
        found = dict(line.split("=", 1) for line in lines if "=" in line)
        return {name: found.get(name, "") for name in _ASKED}

    def _ask(self, *words: str) -> str:
        return self._run(["systemctl", "--user", *words])
