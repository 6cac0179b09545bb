"""A converted body is taught by the original: its gradients are right, and it comes nearer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from sould.converting.convert import Original, convert
from sould.converting.distill import Student, distill
from sould.converting.layers import with_layer
from sould.engine import bases
from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.formats.bases import GROUP, scales_shape
from sould.engine.formats.ternary import MATRICES
from sould.engine.kernel import load_kernel
from sould.engine.read_weights import read_weights
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, Weight
from sould.errors import Cancelled
from tests.fakes.tiny_body import write_tiny_body

WINDOWS = [[(7 * i + 3 * j + i * i) % 256 for i in range(24)] for j in range(6)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Decoder, BodySpec, BodyWeights]:
    """The original, and spec and weights of what was made of it."""
    path = write_tiny_body(tmp_path_factory.mktemp("b") / "body", "qwen2", intermediate_size=90)
    body = open_body(path)
    weights = read_weights(body)
    original = Original(spec=body.spec, weights=weights, kernel=None, windows=WINDOWS)
    return Decoder(body.spec, weights), *convert(original, 2)


def loss_of(teacher: Decoder, decoder: Decoder, ids: list[int]) -> torch.Tensor:
    want_TV, got_TV = (
        one.logits(one.run(one.embed.gather(torch.tensor(ids)))) for one in (teacher, decoder)
    )
    want_TV, got_TV = want_TV.log_softmax(-1), got_TV.log_softmax(-1)
    return F.kl_div(got_TV, want_TV, log_target=True, reduction="batchmean")


@pytest.mark.parametrize("has_kernel", [False, True])
def test_gradients_are_those_of_the_dense_body(
    pair: tuple[Decoder, BodySpec, BodyWeights], kernels: Path, has_kernel: bool
) -> None:
    teacher, spec, weights = pair
    kernel = load_kernel(kernels, threads=1) if has_kernel else None
    student = Student(spec, weights, kernel, lambda: None)
    want_TV = teacher.logits(teacher.run(teacher.embed.gather(torch.tensor(WINDOWS[0]))))
    got_TV = student.expected(WINDOWS[0])
    loss = F.kl_div(got_TV, want_TV.log_softmax(-1), log_target=True, reduction="batchmean")
    torch.autograd.backward(loss)
    for i, name in ((1, "down"), (0, "k")):
        layer = weights.layers[i]
        found = student._sides[id(getattr(student.layers[i], name))].factors.grad
        packed: Weight = getattr(layer, name)
        factors = torch.ones(scales_shape(2, packed.rows, packed.cols)).requires_grad_()
        scales = bases.scales(packed.data, 2) * factors
        wide = scales.repeat_interleave(GROUP, dim=2)[..., : packed.cols]
        dense = ((bases.codes(packed.data, 2, packed.cols).float() - 1) * wide).sum(0)
        parts: dict[str, Any] = {name: Weight("f32", dense, packed.rows, packed.cols)}
        changed = replace(layer, **parts)
        plain = Decoder(spec, with_layer(weights, i, changed))
        torch.autograd.backward(loss_of(teacher, plain, WINDOWS[0]))
        assert found is not None and factors.grad is not None and bool(found.any())
        torch.testing.assert_close(found, factors.grad, atol=1e-6, rtol=1e-3)


def test_it_comes_nearer_and_the_codes_stay(pair: tuple[Decoder, BodySpec, BodyWeights]) -> None:
    teacher, spec, weights = pair
    told: list[tuple[int, int, float]] = []
    before = weights.layers[0].q.data.clone()
    taught = distill(teacher, spec, weights, WINDOWS, 30, on_step=lambda *step: told.append(step))
    assert [step[:2] for step in told] == [(n, 30) for n in range(1, 31)]
    assert torch.equal(weights.layers[0].q.data, before), "what it began with is as it was"
    losses = [
        sum(float(loss_of(teacher, Decoder(spec, one), ids)) for ids in WINDOWS)
        for one in (weights, taught)
    ]
    assert losses[1] < 0.9 * losses[0]
    for name in MATRICES:
        codes = [
            bases.codes(getattr(one.layers[1], name).data, 2, getattr(one.layers[1], name).cols)
            for one in (weights, taught)
        ]
        assert torch.equal(*codes)
    assert not torch.equal(taught.final_norm, weights.final_norm)


def test_it_stops(pair: tuple[Decoder, BodySpec, BodyWeights]) -> None:
    teacher, spec, weights = pair

    def check() -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        distill(teacher, spec, weights, WINDOWS, 3, check=check)
