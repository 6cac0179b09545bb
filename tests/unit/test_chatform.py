"""Lines as they are learned."""

from __future__ import annotations

from sould.engine.soul.chatform import Line


def test_what_is_said_stands_alone_without_its_end() -> None:
    alone = Line([7, 8, 9, 2], [0, 1, 2, 3]).alone()
    assert alone == Line([7, 8, 9], [1, 2])
    assert alone.answer == [8, 9]
