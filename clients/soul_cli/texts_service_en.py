"""The texts about the service, in English."""

from __future__ import annotations

TEXTS = {
    "command.service": "Have the system start the daemon at each login.",
    "command.service.install": (
        "Start the daemon now and at each login, and again if it crashes.\n\n"
        "It is a service of yours alone: a systemd user unit, a launchd agent, or a scheduled task "
        "of Windows. A daemon that runs already is ended first; everything is saved."
    ),
    "command.service.uninstall": "End the daemon, and start it at login no more.",
    "command.service.status": "Say whether the service is installed, starts at login, and runs.",
    "command.service.logs": (
        "Print what the system noted of the service.\n\n"
        "Where it notes nothing, it is the daemon's own log, as 'soul logs' prints it."
    ),
    "option.is_printed": "Only print what would be written.",
    "service.would_be": "this would be {path}",
    "service.written": "written: {path}",
    "service.taken_over": "ended: process {pid}, which the service did not start",
    "service.started": "the daemon runs, and starts at each login",
    "service.linger": (
        "It ends when you log out. To keep it running, and start it at boot: loginctl enable-linger"
    ),
    "service.none": "the service is not installed; 'soul service install' does that",
    "service.removed": "removed: {path}; the daemon has ended",
    "service.definition": "installed",
    "service.at_login": "starts at login",
    "service.running": "running",
    "service.process": "process {pid}, since {since}",
    "service.config": "config",
}
