"""Wait until a soul has learned what was said to it: else an exam measures something in motion."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from soul_client.errors import ExamRefused
from soul_client.stream import OnUpdate
from soul_client.wire import SoulStatus, Status

if TYPE_CHECKING:
    from soul_client.client import Client

LOOK_EVERY_S = 0.2
PATIENCE_S = 60.0


def settle(
    client: Client,
    *,
    on_update: OnUpdate | None = None,
    on_wait: Callable[[int], None] = lambda pending: None,
    patience_s: float = PATIENCE_S,
) -> SoulStatus | None:
    """Load the body if need be, and wait until nothing is being learned nor waits to be, and until
    a night is over.

    ``on_wait`` is told how many turns still wait. Returns the soul that is to be examined;
    None: the daemon has none.

    Raises:
        ExamRefused: the soul cannot be examined, or for ``patience_s`` nothing was learned.
        SoulError: the daemon failed, or is lost.
    """
    status = client.status()
    if status.soul is not None and status.body is None:
        # Whichever body is to answer: body_load would choose one.
        client.text_score(["."], bare=True, on_update=on_update)
        status = client.status()
    seen, since_s = _learned(status.soul), time.monotonic()
    while status.soul is not None and (state := settled(status)) != "settled":
        if state == "busy" or _learned(status.soul) != seen:
            seen, since_s = _learned(status.soul), time.monotonic()
        elif time.monotonic() - since_s >= patience_s:
            raise _refused(status.soul, patience_s)
        on_wait(status.soul.pending)
        time.sleep(LOOK_EVERY_S)
        status = client.status()
    return status.soul


def settled(status: Status) -> Literal["settled", "busy", "waiting"]:
    """Say whether a soul may be examined now, or else whether something is going on. Pure.

    Raises:
        ExamRefused: its soul is not on the body, and will not be.
    """
    soul = status.soul
    assert soul is not None
    is_night = any(request.method == "soul.sleep" for request in status.requests)
    if is_night or status.state in ("imprinting", "loading"):
        return "busy"
    if not soul.worn and soul.problem:
        raise ExamRefused(f"not scored: the soul {soul.name!r} is not in use: {soul.problem}")
    if soul.worn and not soul.pending:
        return "settled"
    return "busy" if status.state == "answering" else "waiting"


def check_unchanged(before: SoulStatus, after: SoulStatus | None) -> None:
    """Raise if the soul at the end of an exam is not the one of its beginning.

    Raises:
        ExamRefused: it learned or slept meanwhile, or another one is in use.
    """
    saved = range(before.generation, before.generation + before.unsaved + 1)
    # A night may leave the level as it is, but it is saved, and so is what was unsaved before it.
    is_same = after is not None and after.generation in saved
    if is_same and after and (after.name, after.level) == (before.name, before.level):
        return
    told = " → ".join(
        f"{one.name!r}, level {one.level}, generation {one.generation}" if one else "none"
        for one in (before, after)
    )
    raise ExamRefused(f"not scored: the soul was changed during the exam: {told}")


def _learned(soul: SoulStatus | None) -> tuple[int, int] | None:
    return (soul.level, soul.pending) if soul else None


def _refused(soul: SoulStatus, patience_s: float) -> ExamRefused:
    if not soul.worn:
        return ExamRefused(
            f"not scored: the soul {soul.name!r} is still not in use after {patience_s:g} s"
        )
    reason = f" ({soul.problem})" if soul.problem else ""
    return ExamRefused(
        f"not scored: turns that wait to be learned: {soul.pending}, and for {patience_s:g} s "
        f"nothing was learned{reason}; --no-wait does not wait"
    )
