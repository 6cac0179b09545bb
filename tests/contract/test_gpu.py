"""Bodies and souls on a GPU, whole or split with the CPU, compute and learn what they do on a CPU.

What multiplies with ternary matrices there is in ``test_triton_kernel``.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from sould.engine.decoder import Decoder
from sould.engine.kernel.selftest import ALL_FORMATS, SPEC, random_body, random_soul
from sould.engine.soul import naive
from sould.engine.soul.batch import Learned, Row, learn, scope_inputs
from sould.engine.soul.chatform import Line
from sould.engine.soul.computed import Asked, Below
from sould.engine.soul.forward import Worn
from sould.engine.soul.products import Products
from sould.engine.soul.scoring import Scorer
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import MATRICES, RANKS, Soul, middle_of
from sould.engine.weights import CPU

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
]

CUDA = torch.device("cuda:0")
BODY = random_body(SPEC, ALL_FORMATS, seed=0)
PREFIX = [5, 9, 2, 7]
SPLITS = {"all": SPEC.n_layers, "half": SPEC.n_layers // 2, "the last": 1}


@pytest.fixture(params=SPLITS)
def devices(request: pytest.FixtureRequest) -> list[torch.device]:
    """Of the layers: the last of them on the GPU, or all."""
    n_gpu = SPLITS[request.param]
    return [CPU] * (SPEC.n_layers - n_gpu) + [CUDA] * n_gpu


@pytest.fixture(params=[False, True], ids=["packed", "unpacked"])
def decoder(request: pytest.FixtureRequest, devices: list[torch.device]) -> Decoder:
    return Decoder(SPEC, BODY, devices=devices, unpacked=request.param)


def tokens(count: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, SPEC.vocab_size, (count,), generator=generator).tolist()


def rows() -> list[Row]:
    """Answers held to their own words, and to what a teacher expects."""
    generator = torch.Generator().manual_seed(3)
    log_p_PV = (3 * torch.randn(3, SPEC.vocab_size, generator=generator)).log_softmax(-1)
    found = []
    for length, positions in ((14, range(8, 14)), (9, [8]), (6, range(1, 6))):
        ids = tokens(length, seed=length)
        target = Target.tokens([ids[p] for p in positions])
        found.append(Row(ids=ids, positions=positions, target=target))
    taught = Row(
        ids=tokens(12, 1), positions=[5, 9, 11], target=Target.teacher(log_p_PV, 5), weight=0.5
    )
    return [*found, taught]


def logits(decoder: Decoder, ids: Sequence[int]) -> torch.Tensor:
    """Return those of all tokens, computed in two pieces, the last one token by token."""
    cache = decoder.new_cache(len(ids))
    parts = [decoder.forward(ids[:-3], cache, want="all")]
    parts += [decoder.forward([id], cache, want="all") for id in ids[-3:]]
    return torch.cat([part.cpu() for part in parts if part is not None])


def assert_learned(got: Learned, want: Learned, tolerance: float) -> None:
    assert got.losses == pytest.approx(want.losses, rel=tolerance, abs=tolerance)
    for name, want_NRX in want.gradients.items():
        atol = 2 * tolerance * float(want_NRX.abs().max()) + 1e-6
        torch.testing.assert_close(got.gradients[name], want_NRX, atol=atol, rtol=0)


def test_a_soul_adds_what_it_does_on_a_cpu_and_what_it_learns_is_seen(decoder: Decoder) -> None:
    soul, ids = random_soul(SPEC, seed=1), tokens(20, seed=2)
    decoder.soul = soul
    with torch.no_grad():
        torch.testing.assert_close(
            logits(decoder, ids), naive.logits(SPEC, BODY, soul, ids), atol=1e-3, rtol=0
        )
        soul.change(lambda: [b.mul_(-2) for b in soul.b.values()])
        torch.testing.assert_close(
            logits(decoder, ids), naive.logits(SPEC, BODY, soul, ids), atol=1e-3, rtol=0
        )
    decoder.soul = None
    torch.testing.assert_close(
        logits(decoder, ids), logits(Decoder(SPEC, BODY), ids), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_the_bits_lose_little(devices: list[torch.device], dtype: torch.dtype) -> None:
    soul, ids = random_soul(SPEC, seed=1), tokens(20, seed=2)
    found = []
    for unpacked in (False, True):
        decoder = Decoder(SPEC, BODY, devices=devices, dtype=dtype, unpacked=unpacked)
        decoder.soul = soul
        found.append(logits(decoder, ids))
    with torch.no_grad():
        want_TV = naive.logits(SPEC, BODY, soul, ids)
    for got_TV in found:
        error = (got_TV - want_TV).norm() / want_TV.norm()
        assert error < 0.03


@pytest.mark.parametrize("part", RANKS)
def test_it_learns_as_naive(decoder: Decoder, part: str) -> None:
    soul = random_soul(SPEC, seed=2)
    want = naive.learn(SPEC, BODY, soul, part, PREFIX, rows())
    assert want.gradients["gate.b"].any()
    assert_learned(learn(decoder, soul, part, PREFIX, rows()), want, 1e-3)


def test_what_is_kept_from_step_to_step_is_the_same(decoder: Decoder) -> None:
    """Layers below the scope, and questions; no rank is open before the answers."""
    plain, first = Decoder(SPEC, BODY), middle_of(SPEC)
    soul = Soul(SPEC, ranks=RANKS, seed=1)

    def fill() -> None:
        for name in MATRICES:
            soul.b[name][first:].normal_(0, 0.1, generator=torch.Generator().manual_seed(3))

    assert soul.change(fill) is None
    want = learn(plain, soul, "slow", PREFIX, rows(), below=Below(first))
    below = Below(first)
    for _ in range(2):
        assert_learned(learn(decoder, soul, "slow", PREFIX, rows(), below=below), want, 1e-3)
    assert soul.change(lambda: soul.scope.zero_()) is None
    want = learn(plain, soul, "slow", PREFIX, rows(), asked=Asked(Below(first)))
    asked = Asked(below)
    for _ in range(2):
        assert_learned(learn(decoder, soul, "slow", PREFIX, rows(), asked=asked), want, 5e-3)


def test_what_scopes_read_is_the_same(decoder: Decoder) -> None:
    first, plain = middle_of(SPEC), Decoder(SPEC, BODY)
    want_PD, got_PD = (
        scope_inputs(
            one, Worn(SPEC, None), Products(one, lambda: False), PREFIX, rows(), Below(first)
        )
        for one in (plain, decoder)
    )
    torch.testing.assert_close(got_PD, want_PD, atol=1e-3, rtol=0)


def test_texts_are_scored_alike(decoder: Decoder) -> None:
    soul = random_soul(SPEC, seed=4)
    lines = [Line.whole(tokens(n, seed=n)) for n in (12, 2, 30)]
    lines.append(Line(lines[0].ids, [3, 7]))
    want, got = (Scorer(one, soul) for one in (Decoder(SPEC, BODY), decoder))
    assert got.log_p(PREFIX, lines) == pytest.approx(want.log_p(PREFIX, lines), abs=1e-2)
    assert got.says(PREFIX, lines) == want.says(PREFIX, lines)
    taught = [one.teach(PREFIX, lines, 4) for one in (want, got)]
    for mine, its in zip(*taught, strict=True):
        torch.testing.assert_close(mine.p, its.p, atol=1e-3, rtol=0)
    assert got.divergence(PREFIX, lines, taught[0]) == pytest.approx(
        want.divergence(PREFIX, lines, taught[0]), abs=1e-3
    )
