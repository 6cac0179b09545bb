"""What ``daemon.status`` says of jobs: what the daemon does by itself when it is time."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

JobWaits = Literal["", "time", "idle", "mains", "retry"]


class JobStatus(Struct, frozen=True, kw_only=True):
    """A job. ``next_at``: when it is its time, or was if it waits for something else; ``last_at``:
    when it began last, "" if it never did. ``waiting_for``: its time; that nobody asks for
    anything; mains power; some minutes after it failed; "": it runs. ``problem``: why it failed.
    """

    name: str
    next_at: str
    last_at: str = ""
    waiting_for: JobWaits = "time"
    problem: str = ""
