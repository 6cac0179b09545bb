"""Work that is interrupted by who asks often."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sould.engine.soul.products import Interrupted, in_parts
from tests.fakes.finished import finished


@pytest.mark.parametrize("peace", [1, 3, 8, 100])
def test_all_is_done_in_order_whatever_time_there_is(peace: int) -> None:
    sizes: list[int] = []

    def work(some: Sequence[int]) -> list[int]:
        if len(some) > peace:
            raise Interrupted
        sizes.append(len(some))
        return [2 * one for one in some]

    assert finished(in_parts(work, range(40), 16)) == [2 * n for n in range(40)]
    assert max(sizes) == min(peace, 16)


def test_it_yields_after_every_part_and_when_interrupted_and_hurries_again_later() -> None:
    sizes: list[int] = []

    def work(some: Sequence[int]) -> list[int]:
        sizes.append(len(some))
        if len(sizes) == 1:
            raise Interrupted
        return list(some)

    assert len(list(in_parts(work, range(30), 8))) == len(sizes)
    assert sizes == [8, 4, 5, 6, 7, 8]
    assert list(in_parts(work, [], 8)) == []
