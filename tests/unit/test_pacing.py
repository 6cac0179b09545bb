"""Pieces of a prompt are as large as a tenth of a second allows."""

from __future__ import annotations

import pytest

from sould.engine.pacing import Pacer


def paced(*pieces: tuple[int, float]) -> int:
    pacer = Pacer()
    for tokens, took_s in pieces:
        pacer.note(tokens, took_s)
    return pacer.size


@pytest.mark.parametrize(
    ("pieces", "size"),
    [
        ([], 32),
        ([(32, 0.04)], 80),
        ([(64, 0.2)], 32),
        ([(32, 0.001)], 256),
        ([(32, 0.0)], 256),
        ([(8, 5.0)], 32),
        ([(64, 0.04), (3, 9.0)], 160),
    ],
)
def test_the_size_follows_the_speed(pieces: list[tuple[int, float]], size: int) -> None:
    assert paced(*pieces) == size


def test_a_slower_machine_is_noticed() -> None:
    fast = [(256, 0.1)]
    slow = [(64, 0.1)] * 6
    assert paced(*fast) == 256
    assert paced(*fast, *slow) <= 80
