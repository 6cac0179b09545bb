"""How far a rate moves the matrices of a body, whatever the size of its weights."""

from __future__ import annotations

import pytest
import torch

from sould.engine.soul.imprint import STRIDES, paced
from sould.engine.soul.weights import MATRICES, NORM_SHARE

LAYERS, WIDE, INNER, FIRST = 6, 8, 12, 2


def axes_of(size: float) -> dict[str, torch.Tensor]:
    """Return coordinates that make everything ``size`` times as large."""
    wide, inner = size * torch.eye(WIDE).repeat(4, 1, 1), size * torch.ones(4, INNER)
    sides = {"gate": (wide, inner), "up": (wide, inner), "down": (inner, wide)}
    return {f"{name}.{s}": x for name, ab in sides.items() for s, x in zip("ab", ab, strict=True)}


def limits_of(norm: float) -> dict[str, torch.Tensor]:
    norms = torch.full((LAYERS,), norm, dtype=torch.float64)
    norms[:FIRST] = 1e9  # of layers that do not learn
    norms[-1] *= 3  # one layer among many
    return {name: NORM_SHARE * norms for name in MATRICES}


@pytest.mark.parametrize(("size", "norm"), [(1.0, 1.0), (1.0, 10.0), (2.0, 10.0)])
def test_a_rate_moves_every_body_by_as_much_of_its_norm(size: float, norm: float) -> None:
    axes = axes_of(size)
    found = paced(axes, limits_of(norm), FIRST)  # type: ignore[arg-type]
    for name in MATRICES:
        assert torch.equal(found[f"{name}.a"], axes[f"{name}.a"])
        b = found[f"{name}.b"]
        out = b.shape[-1]
        length = float(b[0].diagonal().mean()) if b.dim() == 3 else float(b[0].mean())
        stride = size * length * out**0.5 / norm
        assert stride == pytest.approx(STRIDES[name])


def test_without_limits_coordinates_stay_as_they_are() -> None:
    axes = axes_of(1.0)
    assert paced(axes, {}, FIRST) == axes
