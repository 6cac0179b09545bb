"""Kill the writing of a soul before every line it runs, each time in a process of its own.

    python -m tests.fakes.kill_write FILE

The file exists and holds the soul of seed 0; a soul of seed 1 is written over it. After each
kill one JSON line says what FILE holds then, and what the folder holds after the next write;
where a kill left the same files as the one before, so does all else.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from sould import durable
from sould.soulfile import record, writing
from sould.soulfile.record import read, write
from tests.fakes.souls import make_soul

_DRAWN = re.compile(r"\d+-[0-9a-f]{8}(?=\.new)")
_WATCHED = (durable.__file__, record.__file__, writing.__file__)


def main(path: Path) -> None:
    """Kill at line after line until a write comes through."""
    write(path, make_soul(seed=0))
    old = path.read_bytes()
    known, report = dict[str, bytes](), dict[str, int]()
    for line in range(1, 10_000):
        for left in path.parent.iterdir():
            left.unlink()
        path.write_bytes(old)
        was_killed = _write_killed_at(line, path)
        found = files_in(path.parent)
        if found != known:
            known, report = found, _judge(path)
        print(json.dumps({"killed": was_killed, **report}), flush=True)
        if not was_killed:
            return


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file in a folder; of the names of drafts what is not drawn."""
    return {
        _DRAWN.sub("", str(path.relative_to(folder))): path.read_bytes() if path.is_file() else b"/"
        for path in folder.rglob("*")
    }


def _judge(path: Path) -> dict[str, int]:
    report = {"after_kill": _seed(path), "left": len(list(path.parent.iterdir())) - 1}
    write(path, make_soul(seed=1))
    report["after_next"] = _seed(path)
    report["left_next"] = len(list(path.parent.iterdir())) - 1
    return report


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
