"""What a service runs, whatever starts it; the formats of the three systems are made of this."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from soul_client.errors import ServiceFailed

DESCRIPTION = "Bit-TTT: a local AI that learns from you"
STOP_WITHIN_S = 60
"""Longer than the daemon ever takes to stop what runs and to save (some 30 s)."""
KEPT_VARIABLES = ("PATH", "CC", "HF_HOME")
"""What of the environment at installation the daemon depends on: its compiler, its downloads."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A daemon to be started at login. ``log``: for its words where the system keeps none."""

    command: tuple[str, ...]
    config: Path
    log: Path
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Installed:
    """What a definition on this machine says: by which config, and by which Python."""

    config: str
    program: str


def service_of(config: Path, environ: Mapping[str, str] = os.environ) -> Service:
    """Return the service of a config: the daemon of this Python.

    Raises:
        ConfigInvalid: the config does not say where its workspace is.
    """
    from soul_client.locate import STDERR_FILE, workspace_dir

    return Service(
        # -P keeps the working directory off the module path.
        command=(_program(), "-P", "-m", "sould", "--config", str(config)),
        config=config,
        log=workspace_dir(config) / STDERR_FILE,
        environment={name: environ[name] for name in KEPT_VARIABLES if environ.get(name)},
    )


def require_text(*texts: str) -> None:
    """Refuse what not every format can hold.

    Raises:
        ServiceFailed: a control character, bytes that are no text, or one of Unicode's
            noncharacters.
    """
    for text in texts:
        if any(map(_is_unfit, text)):
            raise ServiceFailed(f"{text!r} has characters that a service cannot have")


def _is_unfit(char: str) -> bool:
    code = ord(char)
    is_nothing = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return is_nothing or unicodedata.category(char) in ("Cc", "Cs")


def _program() -> str:
    """Return this Python; on Windows the one that opens no window."""
    windowless = Path(sys.executable).with_name("pythonw.exe")
    if sys.platform == "win32" and windowless.exists():
        return str(windowless)
    return sys.executable
