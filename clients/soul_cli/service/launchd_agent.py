"""The launchd agent, as a property list. Pure."""

from __future__ import annotations

import plistlib

from soul_cli.service.spec import STOP_WITHIN_S, Installed, Service, require_text

LABEL = "bit-ttt.sould"
RESTART_AFTER_S = 30
_CONFIG = "BitTTTConfig"


def render(service: Service) -> bytes:
    """Return the property list.

    Raises:
        ServiceFailed: a path in it cannot be written in XML.
    """
    require_text(*service.command, str(service.log), *service.environment.values())
    return plistlib.dumps(
        {
            "Label": LABEL,
            "ProgramArguments": list(service.command),
            "EnvironmentVariables": dict(service.environment),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": RESTART_AFTER_S,
            "ExitTimeOut": STOP_WITHIN_S,
            "ProcessType": "Interactive",  # somebody waits for the replies
            "Umask": 0o077,
            "StandardOutPath": str(service.log),
            "StandardErrorPath": str(service.log),
            _CONFIG: str(service.config),
        },
        sort_keys=False,
    )


def read(data: bytes) -> Installed | None:
    """Return what an agent of ours says; None for one that is not ours."""
    try:
        values = plistlib.loads(data)
        return Installed(config=values[_CONFIG], program=values["ProgramArguments"][0])
    except (plistlib.InvalidFileException, ValueError, LookupError, TypeError, SyntaxError):
        return None
