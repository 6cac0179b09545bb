"""Which records of the diary no longer count: newer turns took their place.

That is a line of its own, which stays when the newer turn is forgotten: what somebody replaced
does not come back by that. Blocking: call it from a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

log = logging.getLogger(__name__)

_SIGN = b'"role":"replaced"'
"""Cannot be in what was said: there quotation marks are escaped."""


class Replaced(Struct, frozen=True, kw_only=True):
    """The line. ``ids``: of the records, replies among them, that no longer count."""

    role: Literal["replaced"] = "replaced"
    text: Literal[""] = ""
    ts: str
    session: str
    ids: list[str]


_decoder = msgspec.json.Decoder(Replaced)


class Marks:
    """The ids in all files; a file is read again when it has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], frozenset[str]]] = {}

    def read(self, paths: Sequence[Path]) -> frozenset[str]:
        """Return the ids in these files."""
        return frozenset().union(*(self._in(path) for path in paths))

    def _in(self, path: Path) -> frozenset[str]:
        try:
            stat = path.stat()
            stamp = stat.st_size, stat.st_mtime_ns
            known = self._known.get(path)
            if known is None or known[0] != stamp:
                known = self._known[path] = stamp, frozenset(_ids(path))
        except FileNotFoundError:  # the user may delete a day at any time
            return frozenset()
        return known[1]


def _ids(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            if _SIGN in line and line.endswith(b"\n"):
                try:
                    yield from _decoder.decode(line).ids
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
                    log.warning("%s: what was replaced cannot be read: %s", path.name, e)
