"""The systemd user unit, as a text. Pure.

What is not in it is left out on purpose:

- Everything that needs a mount namespace (``ProtectSystem``, ``ReadWritePaths``, ``PrivateTmp``,
  …). Clients outside name files anywhere (export, import, pull of a folder, chat logs), and the
  daemon reads or writes these; a private ``/tmp`` would be another one than theirs. In a user's
  unit it also makes root look like ``nobody``, so that the check of who owns the folder above the
  sockets fails, and where user namespaces are forbidden the daemon would not start at all.
- ``MemoryDenyWriteExecute``, ``NoExecPaths``: torch makes code at run time, and the kernel is
  compiled into the workspace and loaded from there.
- ``SystemCallFilter``: drivers, compilers and plugins are not ours to know.
"""

from __future__ import annotations

import json
import re

from soul_cli.service.spec import DESCRIPTION, STOP_WITHIN_S, Installed, Service, require_text
from soul_client.errors import ServiceFailed

NAME = "bit-ttt.service"

_UNIT = """\
# Written by 'soul service install'; it is written anew by the next one.
[Unit]
Description={description}
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
ExecStart={command}
Environment={environment}
# An engine that takes too much memory ends alone, and is started again by the daemon.
OOMPolicy=continue
Restart=on-failure
RestartSec=5
# Wrong usage, another daemon has the workspace, a wrong config: trying again mends none of them.
RestartPreventExitStatus=2 75 78
TimeoutStartSec=180
WatchdogSec=60
# Only the daemon is asked to stop: it needs its engine to save the soul.
KillMode=mixed
TimeoutStopSec={stop_within_s}
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=default.target

[X-Bit-TTT]
Config={config}
Program={program}
"""
_MARK = re.compile(r'^(Config|Program)=(".*")$', re.MULTILINE)
_UNSAFE_IN_PROGRAM = frozenset("\"'\\")


def render(service: Service) -> bytes:
    """Return the unit.

    Raises:
        ServiceFailed: a path in it cannot be written in a unit.
    """
    require_text(*service.command, str(service.config), *service.environment.values())
    program = service.command[0]
    if _UNSAFE_IN_PROGRAM & set(program):
        raise ServiceFailed(
            f"systemd starts no program with a quote or a backslash in its path, as {program!r}"
        )
    variables = sorted(f"{name}={value}" for name, value in service.environment.items())
    return _UNIT.format(
        description=DESCRIPTION,
        command=_command_line(service.command),
        environment=" ".join(map(quoted, variables)),
        stop_within_s=STOP_WITHIN_S,
        config=json.dumps(str(service.config), ensure_ascii=False),
        program=json.dumps(program, ensure_ascii=False),
    ).encode()


def read(data: bytes) -> Installed | None:
    """Return what a unit of ours says; None for one that is not ours."""
    marks = dict(_MARK.findall(data.decode("utf-8", "replace")))
    if marks.keys() != {"Config", "Program"}:
        return None
    return Installed(config=json.loads(marks["Config"]), program=json.loads(marks["Program"]))


def quoted(text: str) -> str:
    """Return a text as one word of a unit file: quotes, backslashes and specifiers escaped."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _command_line(command: tuple[str, ...]) -> str:
    """Return an ``ExecStart``; the colon keeps variables from being put in (systemd 244)."""
    prefix = ":" if any("$" in word for word in command) else ""
    return prefix + " ".join(map(quoted, command))
