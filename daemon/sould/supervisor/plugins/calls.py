"""What plugins were asked and have not answered yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import count
from typing import Any

from sould.pluginhost.messages import Answer
from sould.pluginhost.table import DECODERS

log = logging.getLogger(__name__)

Answers = asyncio.Future[list[tuple[str, Any]]]
"""What plugins return, with their names, in their order. It is never an exception."""


class Calls:
    """Open calls by their ids. A future costs a turn far less than a task with a timeout does."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ids = count(1)
        self._open: dict[int, tuple[str, Answers]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._open

    def begin(self, hook: str, wait_s: float) -> tuple[int, Answers]:
        """Open a call; it is closed by an answer, by cancelling it, or after ``wait_s`` seconds."""
        id_ = next(self._ids)
        answers: Answers = self._loop.create_future()
        self._open[id_] = hook, answers
        timer = self._loop.call_later(wait_s, self._late, id_, wait_s)

        def closed(_: Answers) -> None:
            timer.cancel()
            self._open.pop(id_, None)

        answers.add_done_callback(closed)
        return id_, answers

    def answer(self, id_: int, found: Sequence[Answer]) -> None:
        """Close a call, unless that has been done.

        Raises:
            msgspec.MsgspecError: an answer is not what the hook may return.
        """
        hook, answers = self._open.pop(id_, ("", None))
        if answers is not None and not answers.done():
            answers.set_result([(one.plugin, DECODERS[hook].decode(one.value)) for one in found])

    def give_up(self) -> None:
        """Close all calls without an answer."""
        for id_ in list(self._open):
            self.answer(id_, [])

    def _late(self, id_: int, wait_s: float) -> None:
        hook, _ = self._open[id_]
        log.warning("no answer of plugins to %s within %g s; it is done without", hook, wait_s)
        self.answer(id_, [])


def none() -> Answers:
    """Return the answers to what nobody had to be asked for."""
    answers: Answers = asyncio.get_running_loop().create_future()
    answers.set_result([])
    return answers
