"""The rules of TTT layers: chunked equals token by token, however cut; values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sould.engine.native import reconstruct, ttt_linear
from sould.engine.native.carry import Carry
from sould.engine.native.ternary import ternary
from sould.engine.native.ttt_linear import InnerNorm, Views
from tests.fakes.native_body import ORIGINAL, drawn

Run = Callable[[list[Tensor], Carry], tuple[Tensor, Carry]]

B, H, E, T, MINI = 2, 3, 8, 41, 8
LENGTHS = (1, 7, 8, 9, 16, 41)
SPLITS = ([41], [1] * 41, [7, 34], [8, 33], [9, 1, 31], [3, 3, 3, 32], [16, 25], [40, 1])
TOLERANCE = 1e-5


def unit(*shape: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape), dim=-1)


def leaves(rule: str, tokens: int = T) -> list[Tensor]:
    """The inputs of a rule, ending with the state: all that gradients may be asked of."""
    torch.manual_seed(tokens)
    if rule == "reconstruct":
        found = [unit(B, H, tokens, E), torch.randn(B, H, E, E) / E]
    else:
        found = [
            *(unit(B, H, tokens, E) for _ in range(3)),
            torch.rand(B, H, tokens) / E,
            1 + torch.randn(H, E) / 10,
            torch.randn(H, E) / 10,
            torch.eye(E) + torch.randn(B, H, E, E) / 10,
        ]
    return [x.requires_grad_() for x in found]


def run(
    rule: str, form: str, inputs: list[Tensor], carry: Carry, start: int, end: int
) -> tuple[Tensor, Carry]:
    found: tuple[Tensor, Carry]
    if rule == "reconstruct":
        found = getattr(reconstruct, form)(inputs[0][..., start:end, :], carry, 0.7)
        return found
    q, k, v, rate, scale, shift = inputs[:-1]
    views = Views(q_BHTE=q, k_BHTE=k, v_BHTE=v, rate_BHT=rate).part(start, end)
    norm = InnerNorm(scale_HE=scale, shift_HE=shift)
    found = getattr(ttt_linear, form)(views, norm, carry, MINI)
    return found


def run_split(
    rule: str, form: str, inputs: list[Tensor], split: list[int]
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return outputs, the state at the end, and gradients of both at all inputs."""
    carry, at, parts = Carry.begun(inputs[-1]), 0, []
    for size in split:
        out, carry = run(rule, form, inputs, carry, at, at + size)
        parts.append(out)
        at += size
    out = torch.cat(parts, -2)
    torch.manual_seed(1)
    asked = (out * torch.randn_like(out)).sum()
    asked = asked + (carry.now_BHEE * torch.randn_like(carry.now_BHEE)).sum()
    return out.detach(), carry.now_BHEE.detach(), list(torch.autograd.grad(asked, inputs))


def assert_same(found: tuple[Tensor, Tensor, list[Tensor]], expected: object) -> None:
    """Values within the tolerance, gradients within that share of the greatest of their tensor."""
    assert isinstance(expected, tuple)
    torch.testing.assert_close(found[:2], expected[:2], atol=TOLERANCE, rtol=0)
    for gradient, wanted in zip(found[2], expected[2], strict=True):
        limit = TOLERANCE * float(wanted.abs().max())
        torch.testing.assert_close(gradient, wanted, atol=limit, rtol=0)


@pytest.mark.parametrize("rule", ["reconstruct", "ttt_linear"])
@pytest.mark.parametrize("split", SPLITS, ids=str)
def test_chunked_equals_sequential_for_every_split(rule: str, split: list[int]) -> None:
    inputs = leaves(rule)
    expected = run_split(rule, "sequential", inputs, [T])
    found = run_split(rule, "chunked", inputs, split)
    assert_same(found, expected)


@pytest.mark.parametrize("rule", ["reconstruct", "ttt_linear"])
@pytest.mark.parametrize("tokens", LENGTHS)
def test_the_sequential_form_can_be_cut_too(rule: str, tokens: int) -> None:
    inputs = leaves(rule, tokens)
    expected = run_split(rule, "sequential", inputs, [tokens])
    found = run_split(rule, "sequential", inputs, [1] * tokens)
    assert_same(found, expected)


def test_the_slope_of_the_inner_loss_is_that_of_autograd() -> None:
    torch.manual_seed(0)
    norm = InnerNorm(scale_HE=torch.randn(H, E).double(), shift_HE=torch.randn(H, E).double())
    z = torch.randn(B, H, T, E).double().requires_grad_()
    target = torch.randn(B, H, T, E).double()
    (expected,) = torch.autograd.grad(0.5 * (norm(z) - target).square().sum(), z)
    torch.testing.assert_close(norm.slope(z, target), expected)


def test_a_state_that_reads_comes_to_know_what_it_read() -> None:
    """The inner loss falls over repeated pairs, and with no rate nothing is learned."""
    torch.manual_seed(0)
    k, v = unit(1, 1, 4, 32).repeat(1, 1, 16, 1), unit(1, 1, 4, 32).repeat(1, 1, 16, 1)
    norm = InnerNorm(scale_HE=torch.full((1, 32), 32**-0.5), shift_HE=torch.zeros(1, 32))
    start = Carry.begun(torch.eye(32)[None, None])

    def misses(rate: float) -> Tensor:
        rates = torch.full((1, 1, 64), rate)
        views = Views(q_BHTE=k, k_BHTE=k, v_BHTE=v, rate_BHT=rates)
        answers, _ = ttt_linear.chunked(views, norm, start, 4)
        return (answers - v).square().sum(-1)[0, 0]

    learning, still = misses(0.05), misses(0.0)
    assert learning[-4:].mean() < 0.5 * learning[:4].mean()
    assert still[-4:].mean() == still[:4].mean()


@pytest.mark.parametrize("rate", [0.1, 1.0, 1.9])
def test_reconstruct_never_grows_below_a_rate_of_two(rate: float) -> None:
    torch.manual_seed(0)
    direction = unit(1, 1, 1, 16)
    f = torch.nn.functional.normalize(direction + 0.1 * torch.randn(1, 1, 512, 16), dim=-1)
    _, carry = reconstruct.chunked(f, Carry.begun(torch.zeros(1, 1, 16, 16)), rate)
    assert (carry.now_BHEE[0, 0] - torch.eye(16)).norm() <= torch.eye(16).norm() + 1e-4


@pytest.mark.parametrize(
    ("inner_lr", "boost", "learned"), [(0.1, 4.0, 0.64), (0.5, 4.0, 1.0), (1.9, 1.0, 0.19)]
)
def test_a_boosted_rate_learns_no_less_than_all_of_a_feature(
    inner_lr: float, boost: float, learned: float
) -> None:
    """Of a feature seen twice, 1 - (1 - rate)² is learned: at a rate of 2, nothing."""
    model = drawn(ORIGINAL | {"inner_lr": inner_lr}, Path(), seed=0)
    with torch.no_grad():
        _, carries = model(torch.tensor([[5, 5]]), model.begin(), boost=boost)
    assert float(carries[0].now_BHEE.norm()) == pytest.approx(learned, abs=1e-4)


def test_ternary_weights_have_three_values_and_pass_gradients_on() -> None:
    weight = torch.tensor([[0.5, -2.0, 0.1], [1.0, -0.4, 2.0]], requires_grad=True)
    scale = weight.detach().abs().mean()  # 1.0
    assert ternary(weight, is_scaled=False).tolist() == [[1.0, -1.0, 0.0], [1.0, 0.0, 1.0]]
    torch.testing.assert_close(ternary(weight), ternary(weight, is_scaled=False) * scale)
    (gradient,) = torch.autograd.grad(ternary(weight).sum(), weight)
    torch.testing.assert_close(gradient, torch.ones_like(weight))
