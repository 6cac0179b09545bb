"""Work that yields after small pieces, done in one go."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar, cast

T = TypeVar("T")


def finished(work: Generator[object, None, T]) -> T:
    """Return what ``work`` comes to."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return cast("T", end.value)
