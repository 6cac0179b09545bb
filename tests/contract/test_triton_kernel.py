"""The Triton kernel against torch: on a GPU where there is one, else interpreted on the CPU.

What it does with a ternary matrix is the same to the bit, with a sum of such but for a rounding.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine import ternary
from sould.engine.decoder import Decoder
from sould.engine.kernel.selftest import (
    SPEC,
    SUB_NORMS,
    TERNARY_SPEC,
    random_body,
    random_soul,
    random_weight,
)
from sould.engine.soul.products import Products
from sould.engine.triton_kernel.layout import GpuWeight
from sould.engine.weights import BASES, Weight, WeightFormat

if TYPE_CHECKING:
    from sould.engine.triton_kernel.launch import TritonKernel

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed", allow_module_level=True)

TERNARY: tuple[WeightFormat, ...] = ("ternary", *BASES)
LENGTHS = (1, 3, 17, 70)  # tokens: matrix-vector products, and tiles of every size
COMPILE_TIMEOUT_S = 600


@pytest.fixture(scope="module", params=["interpreted", pytest.param("gpu", marks=pytest.mark.gpu)])
def kernel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TritonKernel]:
    is_there = torch.cuda.is_available()
    if request.param == "gpu":
        if not is_there:
            pytest.skip("no CUDA device on this machine")
        from sould.engine.triton_kernel.load import load_triton

        cache = tmp_path_factory.mktemp("triton")
        yield load_triton(cache, torch.device("cuda:0"), TERNARY)
        return
    if is_there:
        pytest.skip("there is a GPU: nothing is interpreted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")  # before Triton is imported
        from sould.engine.triton_kernel.launch import TritonKernel

        yield TritonKernel(torch.device("cpu"), processors=4, is_ptx=False)


def on(kernel: TritonKernel, weight: Weight) -> GpuWeight:
    moved = Weight(weight.format, weight.data.to(kernel.device), weight.rows, weight.cols)
    mine = kernel.take(moved)
    assert isinstance(mine, GpuWeight)
    return mine


def normal(kernel: TritonKernel, *shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(kernel.device)


def reference(x_TC: Tensor, weight: Weight) -> Tensor:
    if weight.format == "ternary":
        return ternary.product(x_TC.cpu(), weight.data, weight.cols)
    return x_TC.cpu() @ weight.dense().T


def same(got: Tensor, want: Tensor, format: WeightFormat) -> None:
    if format == "ternary":
        assert torch.equal(got.cpu(), want)
    else:
        torch.testing.assert_close(got.cpu(), want, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 37, 130])
@pytest.mark.parametrize("cols", [1, 129, 320])
@pytest.mark.parametrize("format", TERNARY)
def test_products_are_those_of_the_reference(
    kernel: TritonKernel, format: WeightFormat, rows: int, cols: int
) -> None:
    weight = random_weight(format, rows, cols, seed=rows + cols)
    mine = on(kernel, weight)
    assert torch.equal(mine.dense().cpu(), weight.dense())
    assert mine.nbytes == weight.nbytes
    for tokens in LENGTHS:
        x_TC = normal(kernel, tokens, cols, seed=tokens) * (tokens if format == "ternary" else 1)
        same(kernel.product(x_TC, mine), reference(x_TC, weight), format)


@pytest.mark.parametrize("format", ["ternary", "bases2"])
def test_rows_longer_than_a_block(kernel: TritonKernel, format: WeightFormat) -> None:
    weight = random_weight(format, 20, 6912, seed=1)
    mine = on(kernel, weight)
    for tokens in (1, 5):
        x_TC = normal(kernel, tokens, 6912)
        want_TR = reference(x_TC, weight)
        if format == "ternary":
            assert torch.equal(kernel.product(x_TC, mine).cpu(), want_TR)
        else:
            got_TR = kernel.product(x_TC, mine).cpu()
            torch.testing.assert_close(got_TR, want_TR, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("tokens", [1, 17])
def test_the_largest_sums_fit(kernel: TritonKernel, tokens: int) -> None:
    codes = torch.full((2, 6912), 2, dtype=torch.uint8)
    mine = on(kernel, Weight("ternary", ternary.pack(codes, torch.ones(2)), 2, 6912))
    for sign in (1.0, -1.0):
        x_TC = torch.full((tokens, 6912), sign, device=kernel.device)
        want_TR = torch.full((tokens, 2), sign * 6912)
        torch.testing.assert_close(kernel.product(x_TC, mine).cpu(), want_TR)


def test_halves_are_rounded_to_the_even_number(kernel: TritonKernel) -> None:
    mine = on(kernel, Weight("ternary", ternary.pack(torch.eye(8).byte() + 1, torch.ones(8)), 8, 8))
    x_1C = torch.tensor([[127.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -127.0]], device=kernel.device)
    want_1C = torch.tensor([[127.0, 0, 2, 2, 0, -2, -2, -127]])
    assert torch.equal(kernel.product(x_1C, mine).cpu(), want_1C)
    assert not kernel.product(torch.zeros_like(x_1C), mine).any()


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")  # of the interpreter
@pytest.mark.parametrize("format", ["ternary", "bases1"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(
    kernel: TritonKernel, bad: float, format: WeightFormat
) -> None:
    """In whole numbers it would be lost: a body that has gone wrong would talk on."""
    mine = on(kernel, random_weight(format, 5, 70, seed=0))
    for tokens in (1, 17):
        x_TC = normal(kernel, tokens, 70)
        x_TC[0, 3] = bad
        y_TR = kernel.product(x_TC, mine)
        assert not y_TR[0].isfinite().any()
        assert y_TR[1:].isfinite().all()


@pytest.mark.parametrize("format", ["ternary", "bases3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_gradients_are_those_of_the_torch_path(
    kernel: TritonKernel, dtype: torch.dtype, format: WeightFormat
) -> None:
    weight = random_weight(format, 37, 130, seed=2)
    mine = on(kernel, weight)
    for tokens in (1, 17):
        x_TC = normal(kernel, tokens, 130).to(dtype).requires_grad_()
        y_TR = kernel.product(x_TC, mine)
        g_TR = normal(kernel, tokens, 37, seed=5).to(dtype)
        (got_TC,) = torch.autograd.grad(y_TR, x_TC, g_TR)
        rounded_TC = ternary.through_int8(x_TC) if format == "ternary" else x_TC
        want_TR = F.linear(rounded_TC, weight.dense(dtype).to(kernel.device))
        (want_TC,) = torch.autograd.grad(want_TR, x_TC, g_TR)
        assert y_TR.dtype == got_TC.dtype == dtype
        few = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 6e-2}[dtype]
        torch.testing.assert_close(y_TR, want_TR, atol=few, rtol=few)
        torch.testing.assert_close(got_TC, want_TC, atol=few, rtol=few)


@pytest.mark.parametrize("format", ["ternary", "bases2"])
def test_bodies_say_what_they_say_without_it(kernel: TritonKernel, format: WeightFormat) -> None:
    spec = TERNARY_SPEC if format == "ternary" else replace(SPEC, n_layers=2, windows=())
    optional = SUB_NORMS if format == "ternary" else ()
    weights = random_body(spec, [format], seed=3, optional=optional)
    weights = replace(weights, embed=random_weight("f32", spec.vocab_size, spec.d_model, seed=7))
    devices = [kernel.device] * spec.n_layers
    plain = Decoder(spec, weights, devices=devices)
    quick = Decoder(spec, weights, devices=devices, gpu=kernel)
    assert isinstance(quick.layers[1].down, GpuWeight)
    assert quick.layers[1].down.data.device == kernel.device
    assert quick.layers[1].down.nbytes == weights.layers[1].down.nbytes
    for soul in (None, random_soul(spec, seed=1)):
        plain.soul = quick.soul = soul
        caches = plain.new_cache(40), quick.new_cache(40)
        for ids in ([1, 2, 3, 4, 5, 6, 7, 8, 9], [3]):  # tiles, then a vector
            want_TV = plain.forward(ids, caches[0], want="all")
            got_TV = quick.forward(ids, caches[1], want="all")
            assert want_TV is not None and got_TV is not None
            torch.testing.assert_close(got_TV, want_TV, atol=1e-4, rtol=0)


@pytest.mark.parametrize("format", ["ternary", "bases2"])
def test_what_souls_learn_through_is_the_same(kernel: TritonKernel, format: WeightFormat) -> None:
    spec = replace(TERNARY_SPEC, n_layers=1)
    weights = random_body(spec, [format], seed=4, optional=SUB_NORMS)
    devices = [kernel.device]
    both = (
        Products(Decoder(spec, weights, devices=devices, gpu=gpu), lambda: False)
        for gpu in (None, kernel)
    )
    plain = Decoder(spec, weights, devices=devices).layers[0].up
    x_TI, g_TO = normal(kernel, 9, spec.d_model), normal(kernel, 9, spec.d_ff)
    pairs = [
        (products.forward(x_TI, weight), products.back(g_TO, weight))
        for products, weight in zip(both, (plain, kernel.take(plain)), strict=True)
    ]
    for want, got in zip(*pairs, strict=True):
        torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-5)


def test_operands_that_do_not_fit_are_refused(kernel: TritonKernel) -> None:
    mine = on(kernel, random_weight("ternary", 5, 70, seed=0))
    with pytest.raises(ValueError, match="needs 70 columns"):
        kernel.product(normal(kernel, 2, 69), mine)
    assert kernel.product(normal(kernel, 0, 70), mine).shape == (0, 5)


def test_other_matrices_are_left_as_they_are(kernel: TritonKernel) -> None:
    weight = random_weight("q8_0", 5, 64, seed=0)
    assert kernel.take(weight) is weight


@pytest.mark.timeout(COMPILE_TIMEOUT_S)
def test_every_program_compiles_for_gpus_that_are_not_here(tmp_path: Path) -> None:
    """Of the oldest that is served, and of one whose tiles are multiplied otherwise."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.compiled_programs", "80", "90"],
        cwd=Path(__file__).parents[2],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 2 * 10
