"""Attention of many sequences: one by one, and all together as on a GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sould.engine.kernel.selftest import SPEC
from sould.engine.soul.attention import Continued, Layout, Shared

SIZES = [7, 1, 12, 4]
PASTS = [9, 3, 0, 5]
KEYS = (SPEC.n_kv_heads, SPEC.head_dim)


def shared(prefix: int) -> Callable[[], Layout]:
    return lambda: Shared(SPEC, prefix, SIZES)


def continued() -> Layout:
    generator = torch.Generator().manual_seed(1)
    pasts = [torch.randn(2, past, *KEYS, generator=generator) for past in PASTS]
    return Continued(SPEC, [pasts], SIZES)


@pytest.mark.parametrize("window", [0, 3])
@pytest.mark.parametrize(
    "new", [shared(5), shared(0), shared(40), continued], ids=["5", "0", "40", "continued"]
)
def test_together_is_one_by_one(new: Callable[[], Layout], window: int) -> None:
    """Values and gradients, whatever pads the shorter ones."""
    size = sum(new().sizes)
    generator = torch.Generator().manual_seed(0)
    shapes = ((SPEC.n_heads, SPEC.head_dim), KEYS, KEYS)
    parts = [torch.randn(size, *shape, generator=generator) for shape in shapes]
    slope_TQ = torch.randn(size, SPEC.d_q, generator=generator)
    found: list[list[Tensor]] = []
    for attend in (Layout.attend, Layout.attend_together):
        q_THE, k_TKE, v_TKE = leaves = [part.clone().requires_grad_() for part in parts]
        out_TQ = attend(new(), q_THE, k_TKE, v_TKE, window)
        found.append([out_TQ, *torch.autograd.grad(out_TQ, leaves, slope_TQ)])
    for one_by_one, together in zip(*found, strict=True):
        torch.testing.assert_close(together, one_by_one, atol=1e-5, rtol=0)


def test_what_is_kept_for_later_is_the_same() -> None:
    kept: list[tuple[Tensor, ...]] = []
    for attend in (Layout.attend, Layout.attend_together):
        layout = Shared(SPEC, 5, SIZES)
        layout.kept = []
        q_THE = torch.ones(sum(layout.sizes), SPEC.n_heads, SPEC.head_dim)
        k_TKE = torch.arange(float(q_THE.shape[0] * SPEC.n_kv_heads * SPEC.head_dim))
        k_TKE = k_TKE.view(-1, *KEYS) * 1e-3
        attend(layout, q_THE, k_TKE, -k_TKE, 0)
        ((keys, values),) = layout.kept
        kept.append((*keys, *values))
    assert [len(part) for part in kept[0]] == [5, *SIZES] * 2
    assert all(torch.equal(a, b) for a, b in zip(*kept, strict=True))
