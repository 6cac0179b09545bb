"""What a night begins with, and what it must not do."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest
import torch

from soul_client.wire import SleepMarks
from sould.engine.kernel.selftest import SPEC
from sould.engine.soul.night import Gate, Marks, dreamer_of, nearest, share_of_resting
from sould.engine.soul.weights import MATRICES, Soul
from tests.fakes.finished import finished


def taught(*, slow: float, fast: float) -> Soul:
    """Return a soul whose parts were filled with noise of that size."""
    soul = Soul(SPEC, seed=1)
    generator = torch.Generator().manual_seed(2)

    def fill() -> None:
        for part, size in (("slow", slow), ("fast", fast)):
            for name, weight in soul.tensors(part).items():
                if name.endswith(".b"):
                    weight.copy_(size * torch.randn(weight.shape, generator=generator))

    assert soul.change(fill) is None
    return soul


def products(soul: Soul) -> dict[str, torch.Tensor]:
    return {name: soul.b[name].mT @ soul.a[name] for name in MATRICES}


def test_the_nearest_product_of_a_lower_rank() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(6, 20, generator=generator), torch.randn(6, 9, generator=generator)
    whole = b.T @ a
    for rank in (6, 2):
        near_a, near_b = nearest(a, b, rank)
        assert near_a.shape == (rank, 20) and near_b.shape == (rank, 9)
        assert torch.allclose(near_a @ near_a.T, torch.eye(rank), atol=1e-5)
        left_out = torch.linalg.svdvals(whole)[rank:].norm()
        assert float((whole - near_b.T @ near_a).norm()) == pytest.approx(float(left_out), abs=1e-3)


def test_a_night_begins_with_all_that_the_soul_does() -> None:
    for worn in (taught(slow=0, fast=0.1), taught(slow=0.1, fast=0)):
        worn.change(partial(worn.scope.uniform_, -1, 1))
        dreamer = finished(dreamer_of(worn, seed=3))
        assert dreamer.is_empty("fast") and not dreamer.is_empty("slow")
        for name, whole in products(worn).items():
            assert torch.allclose(products(dreamer)[name], whole, atol=1e-4)
    voice = dreamer.voice
    assert torch.equal(dreamer.a["up"][:, voice], worn.a["up"][:, voice])
    assert torch.equal(dreamer.b["up"][:, voice], worn.b["up"][:, voice])
    assert torch.equal(dreamer.scope[voice], worn.scope[voice])
    both = taught(slow=0.1, fast=0.1)
    for name, whole in products(both).items():
        lost = (products(finished(dreamer_of(both, seed=3)))[name] - whole).norm()
        assert 0 < float(lost) < float(whole.norm())


def test_an_empty_soul_dreams_from_nothing() -> None:
    assert finished(dreamer_of(Soul(SPEC, seed=0), seed=1)).used is None


@pytest.mark.parametrize(
    ("due", "resting", "share"),
    [(3, 0, 1.0), (3, 7, 1.0), (6, 8, 0.5), (6, 90, 0.25), (12, 4, 0.25)],
)
def test_facts_rest_where_there_is_no_room(due: int, resting: int, share: float) -> None:
    assert share_of_resting(due, resting, most=10) == share


def marks(known: int, of: int = 10, drift: float = 0.0) -> Marks:
    return Marks(recalled={str(n): n < known for n in range(of)}, honest=[], drift=drift)


@pytest.mark.parametrize(
    ("before", "after", "passes"),
    [
        (marks(0), marks(0), True),
        (marks(3), marks(10), True),
        (marks(5), marks(4), True),
        (marks(5), marks(3), False),
        (marks(4), marks(3), False),
        (marks(40, of=50), marks(36, of=50), True),
        (marks(40, of=50), marks(35, of=50), False),
        (marks(3), marks(10, drift=0.06), False),
        (marks(3), marks(10, drift=float("nan")), False),
    ],
)
def test_the_gate(before: Marks, after: Marks, passes: bool) -> None:
    assert (Gate().fault(before, after) == "") is passes


def test_a_drift_that_is_no_number_is_one_in_the_report() -> None:
    for drift in (float("nan"), float("inf")):
        told = marks(3, drift=drift).told()
        assert msgspec.json.decode(msgspec.json.encode(told), type=SleepMarks) == told
        assert told.drift > Gate().most_drift
