"""Whether somebody has a file open for writing, where the system tells."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path


def is_being_written(path: Path) -> bool:
    """Tell whether a file is open for writing, by asking for a read lease on it and giving it back
    at once. False where that cannot be known: not on Linux, a disk far away, a file of another
    user.
    """
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # A writer who comes meanwhile waits for us, and we are told by a signal that is ignored.
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as e:
        return e.errno == errno.EAGAIN
    finally:
        os.close(fd)
    return False
