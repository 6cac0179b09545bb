"""The curvature is what gradients say, and learning that heeds it disturbs less."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sould.engine.decoder import Decoder
from sould.engine.kernel.selftest import SPEC, random_body, random_soul
from sould.engine.soul import naive
from sould.engine.soul.anchors import Anchor
from sould.engine.soul.batch import Row
from sould.engine.soul.chatform import Line
from sould.engine.soul.curvature import Curvature, Surveyor
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import MATRICES, Soul
from tests.fakes.finished import finished

TINY = replace(SPEC, d_model=96, d_ff=160, n_layers=3, windows=())
WEIGHTS = random_body(TINY, ["f32"], seed=3)
DECODER = Decoder(TINY, WEIGHTS)


def surveyor(first: int = 1, prefix: tuple[int, ...] = (), yields: int = 0) -> Surveyor:
    """``yields``: how often it is interrupted before it gets anywhere."""
    left = iter([False, True] * yields)
    return Surveyor(DECODER, prefix, first=first, should_yield=lambda: next(left, False), seed=1)


def anchor(ids: list[int], positions: list[int], *, is_chat: bool = False) -> Anchor:
    target = Target.tokens([ids[p] for p in positions])
    return Anchor(Line(ids, positions), target, is_chat)


def seen(anchors: list[Anchor], **options: object) -> Curvature:
    curvature = Curvature(TINY, 1)
    for _ in surveyor(**options).steps(anchors, curvature):  # type: ignore[arg-type]
        pass
    return curvature


def upper(soul: Soul) -> dict[str, torch.Tensor]:
    return {name: weight[1:] for name, weight in soul.tensors("fast").items()}


def spikes() -> Soul:
    """A soul whose sides towards the MLP's width are 1 in one place and 0 elsewhere: then the
    diagonal of a second moment says as much as the whole.
    """
    soul = Soul(TINY, ranks={"fast": 1}, seed=5)
    soul.b["down"].copy_(torch.randn(soul.b["down"].shape))
    for side in (soul.b["gate"], soul.b["up"], soul.a["down"]):
        side.zero_()
        side[:, 0, 7] = 0.5
    return soul


def test_it_is_the_square_of_the_slope_of_the_loss() -> None:
    soul = spikes()
    value, _ = seen([anchor([5, 9], [1])]).slopes(upper(soul))
    flat = Soul(TINY, ranks={"fast": 1}, seed=5)
    flat.a["down"].copy_(soul.a["down"])
    row = Row(ids=[5, 9], positions=[1], target=Target.tokens([9]))
    slopes = naive.learn(TINY, WEIGHTS, flat, "fast", [], [row]).gradients
    along = [(slopes[f"{m}.b"] * soul.b[m]).sum((1, 2))[1:] for m in MATRICES]
    assert value == pytest.approx(0.5 * float(torch.cat(along).square().sum()), rel=1e-3)
    assert value > 0


@pytest.mark.parametrize(
    "together", [None, torch.eye(5), torch.block_diag(*[torch.ones(2, 2)] * 2, torch.zeros(1, 1))]
)
def test_its_gradient_is_that_of_its_value(together: torch.Tensor | None) -> None:
    rows = [anchor([5, 9, 3, 8], [2, 3]), anchor([4, 4, 7], [1, 2], is_chat=True)]
    curvature = seen(rows, prefix=(1, 2))
    assert (curvature.tokens, curvature.positions) == (5, 4)
    weights = upper(random_soul(TINY, seed=2, parts=["fast"]))
    _, slopes = curvature.slopes(weights, together)
    for key, slope in slopes.items():
        step = torch.randn(slope.shape, generator=torch.Generator().manual_seed(0))
        ends = [
            curvature.slopes(weights | {key: weights[key] + sign * 1e-2 * step}, together)[0]
            for sign in (1, -1)
        ]
        assert (ends[0] - ends[1]) / 2e-2 == pytest.approx(float((slope * step).sum()), rel=2e-2)


def test_ranks_that_are_never_open_together_cost_what_each_costs() -> None:
    curvature = seen([anchor([5, 9, 3, 8], [2, 3])])
    weights = upper(random_soul(TINY, seed=2, parts=["fast"]))
    alone = [
        curvature.slopes({key: w[:, r : r + 1] for key, w in weights.items()})[0] for r in range(5)
    ]
    value, _ = curvature.slopes(weights, torch.eye(5))
    assert value == pytest.approx(sum(alone), rel=1e-4)
    assert value != pytest.approx(curvature.slopes(weights)[0], rel=1e-2)
    shut = torch.diag(torch.tensor([1.0, 1, 0, 1, 1]))
    value, slopes = curvature.slopes(weights, shut)
    assert value == pytest.approx(sum(alone) - alone[2], rel=1e-4)
    assert not any(slope[:, 2].any() for slope in slopes.values())


def test_what_was_interrupted_is_seen_once() -> None:
    rows = [anchor([5, 9, 3, 8], [2, 3])]
    once, late = seen(rows), seen(rows, yields=3)
    assert (once.tokens, once.positions) == (late.tokens, late.positions) == (3, 2)
    assert all(torch.equal(late.sums[key], sums) for key, sums in once.sums.items())
    assert all(sums.any() for sums in once.sums.values())


def test_nothing_seen_costs_nothing() -> None:
    value, slopes = Curvature(TINY, 1).slopes(upper(spikes()))
    assert value == 0.0 and not any(slope.any() for slope in slopes.values())


def test_in_its_axes_every_direction_is_felt_alike() -> None:
    curvature = Curvature(TINY, 1)
    generator = torch.Generator().manual_seed(0)
    for sums in curvature.sums.values():
        x = torch.randn(*sums.shape[:2], 400, generator=generator)
        x[:, 0] *= 30
        sums.copy_(x @ x.mT if sums.dim() == 3 else x.square().sum(-1))
    axes = finished(curvature.axes(1e-6))
    for name, moments in (
        ("gate.a", curvature.sums["wide.in"]),
        ("up.b", curvature.sums["up.out"]),
    ):
        root = axes[name]
        whole = torch.diag_embed(root) if root.dim() == 2 else root
        felt = whole @ (torch.diag_embed(moments) if moments.dim() == 2 else moments) @ whole
        diagonal = felt.diagonal(dim1=1, dim2=2)
        mean = diagonal.mean(1, keepdim=True)
        torch.testing.assert_close(diagonal, mean.expand_as(diagonal), rtol=2e-3, atol=0)
        assert float((felt - torch.diag_embed(diagonal)).abs().max()) < 2e-3 * float(mean.max())
