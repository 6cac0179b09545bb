"""The exit codes of ``soul``, in one place."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What ``soul`` ends with; ``exit.<NAME>`` of the texts says it in words."""

    OK = 0
    FAILED = 1  # the daemon answered with an error, or something else went wrong
    USAGE = 2
    NOT_RUNNING = 3
    CANNOT_START = 4
    LOST = 5
    CONFIG = 6
    INTERRUPTED = 130
    PIPE_CLOSED = 141
