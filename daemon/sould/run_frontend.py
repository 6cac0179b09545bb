"""``sould run-frontend MODULE [ARGS…]``: run a plugin's frontend for the daemon.

The first line of stdin holds its settings as JSON; the module finds them in the environment
(``sould.plugin.frontend_settings`` reads them). The rest of stdin is the life line: when it
ends, whoever started us is gone, and the process group, which is ours, ends too.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from sould.plugin.frontend import SETTINGS_VARIABLE

GRACE_S = 2.0


def main(argv: Sequence[str]) -> int:
    """Become the module, as ``python -m`` would."""
    if not argv:
        print("usage: sould run-frontend MODULE [ARGS…]; the daemon starts it", file=sys.stderr)
        return 2
    life_line = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.environ[SETTINGS_VARIABLE] = _first_line(life_line)
    threading.Thread(target=_end_with, args=(life_line,), name="life-line", daemon=True).start()
    sys.argv = list(argv)
    runpy.run_module(argv[0], run_name="__main__", alter_sys=True)
    return 0


def _first_line(life_line: int) -> str:
    line = bytearray()
    while (byte := os.read(life_line, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode("utf-8")


def _end_with(life_line: int) -> None:
    while os.read(life_line, 4096):
        pass
    if sys.platform == "win32":
        os._exit(0)
    if os.getpgrp() != os.getpid():  # started by hand: the group is not ours
        os.kill(os.getpid(), signal.SIGTERM)
        return
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_S)
    os.killpg(0, signal.SIGKILL)
