"""What the daemon says of itself."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from soul_client.wire import RunningRequest
from sould.supervisor.request import Request

DaemonState = Literal[
    "idle", "loading", "answering", "dreaming", "imprinting", "pulling", "stopping"
]

ANSWERS = ("chat.send", "soul.diff", "soul.why", "text.score")
"""Methods that have the body read and say something."""

SLEEP = "soul.sleep"
NIGHTS = (SLEEP, "soul.reincarnate")


def resident_bytes(pid: int) -> int:
    """Return the memory a process holds; 0 if it is gone.

    Every change of state tells it, so Linux is asked directly: psutil takes four times as long, and
    tens of milliseconds to import.
    """
    if sys.platform == "linux":
        try:
            with Path(f"/proc/{pid}/statm").open("rb", buffering=0) as file:
                pages = file.read().split()[1]
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return int(pages) * mmap.PAGESIZE
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def daemon_state(
    *, is_stopping: bool, engine_state: str, is_imprinting: bool, methods: Sequence[str]
) -> DaemonState:
    """Sum up what the daemon is doing. Pure."""
    if is_stopping:
        return "stopping"
    if engine_state == "loading":
        return "loading"
    if any(method in ANSWERS for method in methods):
        return "answering"
    if any(method in NIGHTS for method in methods):
        return "dreaming"
    if is_imprinting:
        return "imprinting"
    return "pulling" if "body.pull" in methods else "idle"


def running_requests(requests: Sequence[Request]) -> list[RunningRequest]:
    """Describe the requests in flight, oldest first."""
    return [
        RunningRequest(id=r.id, method=r.method, position=r.position, age_s=round(r.age_s, 3))
        for r in requests
    ]
