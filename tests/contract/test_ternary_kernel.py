"""The compiled kernel on ternary matrices: products bit by bit, bodies but for a rounding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sould.engine import ternary
from sould.engine.decoder import Decoder
from sould.engine.kernel import NativeKernel
from sould.engine.kernel.selftest import (
    SUB_NORMS,
    TERNARY_SPEC,
    random_body,
    random_soul,
    random_weight,
)
from sould.engine.kvcache import KVCache
from sould.engine.spec import Activation
from sould.engine.weights import Weight
from tests.fakes.reference import ROUNDED

LENGTHS = (1, 2, 3, 63, 64, 65, 130)
TOLERANCE = 1e-4


def prompt(length: int) -> list[int]:
    generator = torch.Generator().manual_seed(length)
    return torch.randint(0, TERNARY_SPEC.vocab_size, (length,), generator=generator).tolist()


@pytest.mark.parametrize("rows", [1, 3, 37, 130])
@pytest.mark.parametrize("cols", [1, 7, 127, 128, 129, 576, 2560, 6912])
def test_products_are_those_of_the_reference_to_the_bit(
    kernel: NativeKernel, rows: int, cols: int
) -> None:
    weight = random_weight("ternary", rows, cols, seed=rows + cols)
    for tokens in (1, 2, 3, 4, 5, 8, 9, 17):
        generator = torch.Generator().manual_seed(tokens)
        x_TC = torch.randn(tokens, cols, generator=generator) * 10.0**tokens
        want_TR = ternary.product(x_TC, weight.data, cols)
        assert torch.equal(kernel.matvec(weight, x_TC), want_TR)
    assert torch.equal(kernel.dense(weight), weight.dense())


def test_the_largest_sums_fit(kernel: NativeKernel) -> None:
    """All codes 2 and all inputs alike: sums of 16 bits are as large as they get."""
    for sign in (1.0, -1.0):
        codes = torch.full((2, 6912), 2, dtype=torch.uint8)
        weight = Weight("ternary", ternary.pack(codes, torch.ones(2)), 2, 6912)
        x_TC = torch.full((5, 6912), sign)
        torch.testing.assert_close(kernel.matvec(weight, x_TC), torch.full((5, 2), sign * 6912))


def test_halves_are_rounded_to_the_even_number(kernel: NativeKernel) -> None:
    weight = Weight("ternary", ternary.pack(torch.eye(8).byte() + 1, torch.ones(8)), 8, 8)
    x_C = torch.tensor([127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -127.0])
    want_C = torch.tensor([127.0, 0, 2, 2, 0, -2, -2, -127])
    assert torch.equal(kernel.matvec(weight, x_C), want_C)
    assert torch.equal(kernel.matvec(weight, torch.zeros(8)), torch.zeros(8))


@pytest.mark.parametrize("back", [False, True])
def test_dense_products_take_ternary_matrices(kernel: NativeKernel, back: bool) -> None:
    weight = random_weight("ternary", 70, 300, seed=1)
    x_TK = torch.randn(9, 70 if back else 300, generator=torch.Generator().manual_seed(0))
    want_TN = x_TK @ (weight.dense() if back else weight.dense().T)
    torch.testing.assert_close(kernel.gemm(x_TK, weight, back=back), want_TN, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("activation", ["relu2", "silu"])
@pytest.mark.parametrize("format", ["ternary", "f32"])
def test_bodies_with_sub_norms(kernel: NativeKernel, format: str, activation: Activation) -> None:
    spec = replace(TERNARY_SPEC, activation=activation, n_layers=2)
    weights = random_body(spec, [format], seed=3, optional=SUB_NORMS)  # type: ignore[list-item]
    atol = ROUNDED if format == "ternary" else TOLERANCE
    for soul in (None, random_soul(spec, seed=1)):
        reference = Decoder(spec, weights)
        reference.soul = soul
        stepper = kernel.stepper(spec, weights)
        for length in LENGTHS:
            ids, cache = prompt(length), KVCache(spec, limit=200)
            want_TV = reference.forward(ids, reference.new_cache(length), want="all")
            assert want_TV is not None
            got_V = stepper.step_many(ids, cache, soul)
            torch.testing.assert_close(got_V, want_TV[-1], atol=atol, rtol=0)
        stepped, cache = [], KVCache(spec, limit=200)
        for token in ids[:20]:
            stepper._scratch.view(torch.float32).fill_(torch.nan)
            stepped.append(stepper.step(token, cache, soul).clone())
        torch.testing.assert_close(torch.stack(stepped), want_TV[:20], atol=atol, rtol=0)


def test_all_logits_go_through_the_kernel_too(native: NativeKernel) -> None:
    weights = random_body(TERNARY_SPEC, ["ternary"], seed=4, optional=SUB_NORMS)
    logits = []
    for decoder in (Decoder(TERNARY_SPEC, weights), Decoder(TERNARY_SPEC, weights, kernel=native)):
        logits.append(decoder.forward(prompt(40), decoder.new_cache(40), want="all"))
    torch.testing.assert_close(*logits, atol=ROUNDED, rtol=0)
