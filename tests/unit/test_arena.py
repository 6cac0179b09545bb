"""Packed weights lie together, unchanged, and no further than they must."""

from __future__ import annotations

import torch

from sould.engine.arena import PIECE_BYTES, Arena


def test_what_is_kept_is_a_copy_beside_the_others() -> None:
    arena = Arena()
    first, second = (torch.full((3, 7), n, dtype=torch.uint8) for n in (1, 2))
    kept = [arena.keep(first), arena.keep(second)]
    first.zero_()
    assert kept[0].eq(1).all() and kept[1].eq(2).all()
    assert kept[0].is_contiguous() and kept[0].shape == (3, 7)
    assert kept[1].data_ptr() - kept[0].data_ptr() == 64


def test_what_does_not_fit_begins_another_piece() -> None:
    arena = Arena()
    small = arena.keep(torch.ones(8, dtype=torch.uint8))
    large = arena.keep(torch.ones(PIECE_BYTES, dtype=torch.uint8))
    assert large.untyped_storage().data_ptr() != small.untyped_storage().data_ptr()
    assert large.untyped_storage().nbytes() == PIECE_BYTES
    assert small.eq(1).all()
