"""Kill the writing of a soul before every line it runs, each time in a process of its own.

    python -m tests.fakes.kill_write FILE

The file exists and holds the soul of seed 0; a soul of seed 1 is written over it. After each
kill one JSON line says what FILE holds then, and what the folder holds after the next write.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from sould import durable
from sould.soulfile import record, writing
from sould.soulfile.record import read, write
from tests.fakes.souls import make_soul

_WATCHED = (durable.__file__, record.__file__, writing.__file__)


def main(path: Path) -> None:
    """Kill at line after line until a write comes through."""
    for line in range(1, 10_000):
        write(path, make_soul(seed=0))
        was_killed = _write_killed_at(line, path)
        report: dict[str, Any] = {
            "killed": was_killed,
            "after_kill": _seed(path),
            "left": len(list(path.parent.iterdir())) - 1,
        }
        write(path, make_soul(seed=1))
        report["after_next"] = _seed(path)
        report["left_next"] = len(list(path.parent.iterdir())) - 1
        print(json.dumps(report), flush=True)
        if not was_killed:
            return


def _write_killed_at(line: int, path: Path) -> bool:
    pid = os.fork()
    if pid == 0:
        left = line

        def count(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if frame.f_code.co_filename not in _WATCHED:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return count

        sys.settrace(count)
        write(path, make_soul(seed=1))
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def _seed(path: Path) -> int:
    """Return whose weights the file holds; raises where it is not whole."""
    found = read(path).tensors
    name = next(iter(found))
    return next(
        seed
        for seed in (0, 1)
        if make_soul(seed=seed).tensors[name].tobytes() == found[name].tobytes()
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
