"""Takes memory until there is none."""

from __future__ import annotations

from sould.plugin import hookimpl

_kept: list[bytearray] = []


@hookimpl
def before_turn() -> None:
    while True:
        _kept.append(bytearray(16 << 20))
