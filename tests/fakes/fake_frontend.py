"""A frontend for tests: ``python -m tests.fakes.fake_frontend HOW``. Notes what it was given."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sould.plugin import frontend_settings


def main() -> None:
    """Note our pids and surroundings, then behave as the first argument says."""
    settings = frontend_settings()
    how = sys.argv[1]
    helper = 0
    if how == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
        helper = subprocess.Popen([sys.executable, "-S", "-c", code]).pid
    note = {
        "pid": os.getpid(),
        "helper": helper,
        "argv": sys.argv[1:],
        "config": os.environ["BIT_TTT_CONFIG"],
        "settings": settings,
        "stdin": sys.stdin.read(),
    }
    with Path(settings["notes"]).open("a") as notes:
        notes.write(json.dumps(note) + "\n")
    if how == "fail":
        print("my words", flush=True)
        sys.exit(3)
    time.sleep(60)


if __name__ == "__main__":
    main()
