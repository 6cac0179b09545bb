"""Which frame is for whom: the part of a connection that needs no socket."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from soul_client.wire import Header


class Mailbox:
    """Frames that arrived for one request and were not read yet."""

    def __init__(self, on_change: Callable[[], object] = bool) -> None:
        self.frames: deque[tuple[Header, Any]] = deque()
        self.on_change = on_change


class Switchboard:
    """Sorts frames into the mailboxes that somebody still holds; others are dropped."""

    def __init__(self) -> None:
        self._mailboxes: weakref.WeakValueDictionary[str, Mailbox] = weakref.WeakValueDictionary()

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._mailboxes

    def open(self, request_id: str, mailbox: Mailbox) -> None:
        """Collect the frames of a request, for as long as the mailbox is referenced."""
        self._mailboxes[request_id] = mailbox

    def sort(self, header: Header, raw: Any) -> None:
        """Put a frame where it belongs.

        One without an id is an error about a frame the daemon could not read, so it cannot
        say whose it was: everybody gets it.
        """
        if header.id:
            mailbox = self._mailboxes.get(header.id)
            owners = [] if mailbox is None else [mailbox]
        else:
            owners = list(self._mailboxes.values())
        for owner in owners:
            owner.frames.append((header, raw))
            owner.on_change()

    def wake_all(self) -> None:
        """Tell every owner that things have changed (the connection is lost)."""
        for mailbox in list(self._mailboxes.values()):
            mailbox.on_change()
