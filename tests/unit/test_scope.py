"""A scope is open where dreams are answered and shut where the anchors are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sould.engine.soul.scope import Moments, fitted, open_together
from sould.engine.soul.weights import opening

D = 24


def cloud(centre: float, seed: int, count: int = 4000) -> Tensor:
    """Return points around ``centre`` in the first two of D directions, which go together; the
    others are noise, some of it much larger.
    """
    generator = torch.Generator().manual_seed(seed)
    x_TD = torch.randn(count, D, generator=generator) * torch.logspace(0, 0.5, D)
    x_TD[:, 1] = x_TD[:, 0] + 0.1 * torch.randn(count, generator=generator) + 0.6 * centre
    return x_TD


def moments(*clouds: Tensor) -> Moments:
    seen = Moments.none(D)
    for x_TD in clouds:
        seen.see(x_TD)
    return seen


def test_it_is_open_inside_and_shut_outside() -> None:
    scope_D1 = fitted(moments(cloud(1, seed=0)), moments(cloud(-1, seed=1)))
    inside_T, outside_T = (opening(cloud(c, seed=2), scope_D1[None])[:, 0] for c in (1, -1))
    assert float((inside_T == 1).float().mean()) > 0.98
    assert float((outside_T == 0).float().mean()) > 0.98
    between_T = opening(cloud(0.2, seed=3), scope_D1[None])[:, 0]
    assert 0.3 < float(between_T.mean()) < 0.7


def test_what_is_seen_in_parts_is_what_is_seen_at_once() -> None:
    x_TD = cloud(0, seed=0, count=60)
    parts = moments(x_TD[:10])
    parts.add(moments(x_TD[10:35], x_TD[35:]))
    assert parts.count == 60
    torch.testing.assert_close(parts.mean, x_TD.mean(0))
    torch.testing.assert_close(parts.variance, x_TD.T.cov(correction=0), atol=1e-2, rtol=1e-4)


def test_ranks_of_one_scope_are_open_together_and_shut_ones_never() -> None:
    scope = torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 2.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    want = torch.zeros(6, 6)
    want[:2, :2] = want[2, 2] = want[5, 5] = 1
    assert torch.equal(open_together(scope), want)


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_points_than_directions_will_do(count: int) -> None:
    inside, outside = cloud(1, seed=0, count=count), cloud(-1, seed=1, count=50)
    scope_D1 = fitted(moments(inside), moments(outside))
    assert bool(scope_D1.isfinite().all())
    assert float(opening(inside, scope_D1[None]).mean()) > 0.9
    assert float(opening(outside, scope_D1[None]).mean()) < 0.1
