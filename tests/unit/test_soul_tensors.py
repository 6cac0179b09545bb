"""A soul's weights as a file has them: the half of the layers that learn, and souls of before."""

from __future__ import annotations

from functools import partial

import torch

from sould.engine.kernel.selftest import SPEC, random_soul
from sould.engine.soul.night import dreamer_of
from sould.engine.soul.tensors import all_tensors, soul_of
from sould.engine.soul.weights import MATRICES, RANKS, Soul, middle_of, opening
from tests.fakes.finished import finished

MIDDLE = middle_of(SPEC)


def told(ranks: dict[str, int]) -> Soul:
    """Return a soul that has learned in the upper layers alone, as souls do."""
    soul = random_soul(SPEC, seed=4, ranks=ranks, parts=tuple(ranks))
    assert soul.change(lambda: [b[:MIDDLE].zero_() for b in soul.b.values()]) is None
    return soul


def read(soul: Soul) -> Soul:
    return soul_of(SPEC, all_tensors(soul), limits={}, seed=7)


def adds(soul: Soul, name: str, opening_TR: torch.Tensor) -> torch.Tensor:
    """Return what the soul adds to a matrix of each layer for every token, (N, T, O, I)."""
    a, b = soul.a[name], soul.b[name]  # type: ignore[index]
    return torch.einsum("tr,nro,nri->ntoi", opening_TR, b, a)


def test_layers_that_never_learn_are_not_in_the_file() -> None:
    soul = told(dict(RANKS))
    names = all_tensors(soul)
    assert {int(n.split(".")[1]) for n in names if n.startswith("layers.")} == {
        *range(MIDDLE, SPEC.n_layers)
    }
    again = read(soul)
    assert again.first == MIDDLE and torch.equal(again.scope, soul.scope)
    for name in MATRICES:
        assert torch.equal(again.a[name][MIDDLE:], soul.a[name][MIDDLE:])
        assert torch.equal(again.b[name], soul.b[name])


def test_what_is_in_the_layers_below_is_kept() -> None:
    soul = random_soul(SPEC, seed=4, ranks=RANKS, parts=tuple(RANKS))
    again = read(soul)
    assert again.first == 0
    assert all(torch.equal(again.b[name], soul.b[name]) for name in MATRICES)


def test_a_soul_of_before_there_were_slots_says_what_it_said() -> None:
    old = told({"slow": 10, "fast": 8})
    x_TD = torch.randn(20, SPEC.d_model, generator=torch.Generator().manual_seed(1))
    new = read(old)
    assert new.ranks == RANKS
    for name in MATRICES:
        before = adds(old, name, opening(x_TD, old.scope))
        torch.testing.assert_close(adds(new, name, opening(x_TD, new.scope)), before)
    assert torch.equal(new.scope[new.voice], old.scope[old.voice])


def test_a_soul_of_fewer_slots_keeps_them() -> None:
    old = told({"slow": 32, "fast": 8})
    new = read(old)
    for name in MATRICES:
        for before, after in zip(old.slots, new.slots, strict=False):
            for side in ("begin", "rest"):
                theirs, ours = getattr(before, side), getattr(after, side)
                assert torch.equal(new.b[name][:, ours], old.b[name][:, theirs])
                assert torch.equal(new.scope[ours], old.scope[theirs])
        assert torch.equal(new.b[name][:, new.wide], old.b[name][:, old.wide])
    left = new.slots[len(old.slots) :]
    assert left and all(new.is_silent(r) for slot in left for r in (slot.begin, slot.rest))


def test_its_next_night_has_all_slots_free() -> None:
    old = told({"slow": 12, "fast": 8})
    one = old.scope[:1].clone()
    old.change(partial(old.scope[: old.voice.start].copy_, one))
    dreamer = finished(dreamer_of(read(old), seed=1))
    free = [r for slot in dreamer.slots for r in (slot.begin, slot.rest)]
    assert all(dreamer.is_silent(rank) for rank in free)
    assert not dreamer.is_silent(dreamer.wide.start) and not dreamer.is_silent(dreamer.voice.start)
