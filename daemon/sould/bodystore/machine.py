"""What this machine has: memory, GPU memory, the user's language. Asked without torch."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from pathlib import Path

import psutil

log = logging.getLogger(__name__)

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_ASK_GPU_S = 5.0


def memory_bytes() -> int:
    """Return all the RAM there is for us: of the machine, or of the container if that is less."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = _CGROUP_LIMIT.read_text("ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdecimal() else total


def vram_bytes() -> int:
    """Return the memory of the largest NVIDIA GPU, 0 where there is none. Takes up to seconds."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    try:
        answer = subprocess.run(
            [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_ASK_GPU_S,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as e:
        log.warning("GPU memory unknown, counted as none reason=%s", e)
        return 0
    mebibytes = [int(line) for line in answer.split() if line.isdecimal()]
    return max(mebibytes, default=0) * 1024 * 1024


def language() -> str:
    """Return the language of the user's environment, as ``ja_JP.UTF-8``; "" if not set."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return value
    return ""
