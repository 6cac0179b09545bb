"""Learning from a batch that is packed and shares a prefix equals learning row by row."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.kernel import NativeKernel, load_kernel
from sould.engine.kernel.selftest import ALL_FORMATS, SPEC, random_body, random_soul, random_weight
from sould.engine.read_weights import read_weights
from sould.engine.soul import naive, targets
from sould.engine.soul.batch import Learned, Row, learn, learned_in_parts, scope_inputs
from sould.engine.soul.computed import Asked, Below
from sould.engine.soul.forward import Worn
from sould.engine.soul.products import Interrupted, Products
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import MATRICES, RANKS, Soul, middle_of, opening
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, WeightFormat
from tests.fakes.finished import finished
from tests.fakes.tiny_body import ARCHITECTURES, write_tiny_body

YIELD_S = 0.05


def tokens(spec: BodySpec, length: int, seed: int) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, spec.vocab_size, (length,), generator=generator).tolist()


def answer(
    spec: BodySpec, length: int, positions: Sequence[int], weight: float | Sequence[float] = 1.0
) -> Row:
    ids = tokens(spec, length, seed=length)
    target = Target.tokens([ids[p] for p in positions])
    return Row(ids=ids, positions=positions, target=target, weight=weight)


def anchor(spec: BodySpec, length: int, positions: Sequence[int], k: int) -> Row:
    generator = torch.Generator().manual_seed(k)
    log_p_PV = (3 * torch.randn(len(positions), spec.vocab_size, generator=generator)).log_softmax(
        -1
    )
    ids = tokens(spec, length, seed=length)
    return Row(ids=ids, positions=positions, target=Target.teacher(log_p_PV, k), weight=0.5)


def some_rows(spec: BodySpec) -> list[Row]:
    return [
        answer(spec, 63, range(40, 63)),
        answer(spec, 2, [1]),
        anchor(spec, 17, [3, 9, 10], k=spec.vocab_size),
        answer(spec, 65, [1, 64], weight=[2.0, 0.3]),
        anchor(spec, 30, range(20, 30), k=5),
    ]


def assert_equal(got: Learned, want: Learned, tolerance: float) -> None:
    """``tolerance``: of the losses, and of gradients twice that share of the largest."""
    assert got.losses == pytest.approx(want.losses, rel=tolerance, abs=tolerance)
    assert got.worst == pytest.approx(want.worst, rel=tolerance, abs=tolerance)
    assert got.gradients.keys() == want.gradients.keys()
    for key, want_NRX in want.gradients.items():
        scale = float(want_NRX.abs().max())
        atol = 2 * tolerance * scale + 1e-6
        torch.testing.assert_close(got.gradients[key], want_NRX, atol=atol, rtol=0)


def assert_learns_as_naive(
    spec: BodySpec,
    weights: BodyWeights,
    decoders: Sequence[Decoder],
    *,
    parts: Sequence[str] = ("slow", "fast"),
    prefix: int = 9,
    rows: Sequence[Row] = (),
    tolerance: float = 1e-4,
) -> None:
    soul = random_soul(spec, seed=2, parts=parts)
    head = tokens(spec, prefix, seed=5)
    for part in RANKS:
        want = naive.learn(spec, weights, soul, part, head, rows or some_rows(spec))
        assert want.gradients["gate.b"].any()
        for decoder in decoders:
            got = learn(decoder, soul, part, head, rows or some_rows(spec))
            assert_equal(got, want, tolerance)


@pytest.mark.parametrize("format", ALL_FORMATS)
def test_every_format_learns_as_naive(kernel: NativeKernel, format: WeightFormat) -> None:
    spec = replace(SPEC, d_model=96, d_ff=160, n_layers=2, windows=())
    weights = random_body(spec, [format], seed=3)
    decoders = Decoder(spec, weights), Decoder(spec, weights, kernel=kernel)
    assert_learns_as_naive(spec, weights, decoders)


@pytest.mark.parametrize("prefix", [0, 1, 64])
@pytest.mark.parametrize("parts", [(), ("slow",)], ids=lambda parts: "+".join(parts) or "empty")
def test_any_prefix_and_parts_that_are_empty(
    kernel: NativeKernel, parts: tuple[str, ...], prefix: int
) -> None:
    spec = replace(SPEC, windows=(0, 5, 0, 70, *SPEC.windows[4:]))
    weights = random_body(spec, ALL_FORMATS, seed=0)
    decoder = Decoder(spec, weights, kernel=kernel)
    assert_learns_as_naive(spec, weights, [decoder], parts=parts, prefix=prefix)
    if prefix:  # a row may begin with its answer
        rows = [answer(spec, 1, [0]), answer(spec, 7, [0, 3])]
        assert_learns_as_naive(spec, weights, [decoder], parts=parts, prefix=prefix, rows=rows)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ARCHITECTURES)
def test_every_family_learns_as_naive(
    native: NativeKernel, tmp_path: Path, family: str, tied: bool
) -> None:
    body = open_body(write_tiny_body(tmp_path / "body", family, tie_word_embeddings=tied))
    weights = read_weights(body)
    decoders = [Decoder(body.spec, weights), Decoder(body.spec, weights, kernel=native)]
    # a number rounded to int8 the other way is a step of 1/127 of the largest
    tolerance = 0.02 if family == "bitnet" else 1e-4
    assert_learns_as_naive(body.spec, weights, decoders, tolerance=tolerance)


def test_more_positions_than_a_chunk_of_the_head(kernel: NativeKernel) -> None:
    weights = random_body(SPEC, ["q8_0"], seed=4)
    size = targets.chunk_size(SPEC.vocab_size) + 1
    rows = [answer(SPEC, size + 1, range(1, size + 1))]
    assert_learns_as_naive(SPEC, weights, [Decoder(SPEC, weights, kernel=kernel)], rows=rows)


def test_a_body_that_teaches_itself_has_nothing_to_learn() -> None:
    weights = random_body(SPEC, ["f32"], seed=4)
    decoder, soul = Decoder(SPEC, weights), Soul(SPEC)
    ids = tokens(SPEC, 20, seed=0)
    logits_TV = decoder.forward(ids, decoder.new_cache(20), want="all")
    assert logits_TV is not None
    for k in (4, SPEC.vocab_size):
        target = Target.teacher(logits_TV[:-1].log_softmax(-1), k)
        learned = learn(
            decoder, soul, "fast", [], [Row(ids=ids, positions=range(1, 20), target=target)]
        )
        assert abs(learned.losses[0]) < 1e-4
        assert all(g.abs().max() < 1e-4 for g in learned.gradients.values())


def test_following_the_gradients_lowers_the_loss(kernel: NativeKernel) -> None:
    weights = random_body(SPEC, ALL_FORMATS, seed=0)
    decoder, soul = Decoder(SPEC, weights, kernel=kernel), Soul(SPEC)
    rows, losses = [answer(SPEC, 12, range(6, 12))], []
    for _ in range(30):
        learned = learn(decoder, soul, "fast", tokens(SPEC, 5, seed=1), rows)
        losses.append(learned.losses[0])
        mine = soul.tensors("fast")
        soul.change(lambda t=mine, g=learned.gradients: [t[k].sub_(g[k], alpha=0.05) for k in t])
    assert losses[-1] < 0.3 * losses[0]
    assert not any(t.any() for k, t in soul.tensors("slow").items() if k.endswith(".b"))


@pytest.mark.parametrize(
    "row",
    [
        Row(ids=[1, 2], positions=[], target=Target.tokens([])),
        Row(ids=[1, 2], positions=[0], target=Target.tokens([1])),
        Row(ids=[1, 2], positions=[2], target=Target.tokens([1])),
        Row(ids=[1, 2, 3], positions=[2, 1], target=Target.tokens([1, 1])),
        Row(ids=[1, 2, 3], positions=[1, 2], target=Target.tokens([1])),
        Row(ids=[1, 2, 3], positions=[1, 2], target=Target.tokens([1, 1]), weight=[1.0]),
    ],
)
def test_rows_that_make_no_sense_are_refused(row: Row) -> None:
    decoder = Decoder(SPEC, random_body(SPEC, ["f32"], seed=0))
    with pytest.raises(ValueError, match="position"):
        learn(decoder, Soul(SPEC), "fast", [], [row])


def after(calls: int) -> Callable[[], bool]:
    """Say yes from the given call on."""
    left = iter(range(calls))
    return lambda: next(left, None) is None


def test_it_gives_way_wherever_it_is_and_nothing_has_changed(kernel: NativeKernel) -> None:
    weights = random_body(SPEC, ALL_FORMATS, seed=0)
    decoder, soul = Decoder(SPEC, weights, kernel=kernel), random_soul(SPEC, seed=1)
    before = [t.clone() for side in (soul.a, soul.b) for t in side.values()]
    state, calls = soul.state, 0

    def count() -> bool:
        nonlocal calls
        calls += 1
        return False

    want = learn(decoder, soul, "fast", [1, 2], some_rows(SPEC), should_yield=count)
    assert calls > 2 * 7 * SPEC.n_layers - 4, "forward and back"
    for stop in range(calls):
        with pytest.raises(Interrupted):
            learn(decoder, soul, "fast", [1, 2], some_rows(SPEC), should_yield=after(stop))
    assert soul.state == state
    for tensor, old in zip([t for s in (soul.a, soul.b) for t in s.values()], before, strict=True):
        assert torch.equal(tensor, old) and tensor.grad is None and not tensor.requires_grad
    again = learn(decoder, soul, "fast", [1, 2], some_rows(SPEC))
    assert all(torch.equal(again.gradients[k], g) for k, g in want.gradients.items())


@pytest.mark.parametrize("peace", [1, 2, 3])
def test_who_asks_often_lets_it_learn_in_parts(kernel: NativeKernel, peace: int) -> None:
    """``peace``: as long as so many rows take, somebody asks nothing; never longer."""
    weights = random_body(SPEC, ALL_FORMATS, seed=0)
    decoder, soul = Decoder(SPEC, weights, kernel=kernel), random_soul(SPEC, seed=1)
    rows, calls, sizes = [*some_rows(SPEC), *some_rows(SPEC)], 0, list[int]()

    def count() -> bool:
        nonlocal calls
        calls += 1
        return False

    def some(of: Sequence[Row]) -> Learned:
        at_most = calls if len(of) <= peace else 3
        learned = learn(decoder, soul, "fast", [1, 2], of, should_yield=after(at_most))
        sizes.append(len(of))
        return learned

    want = learn(decoder, soul, "fast", [1, 2], rows, should_yield=count)
    got = finished(learned_in_parts(some, rows))
    assert max(sizes) <= peace < len(rows) == sum(sizes)
    assert got.losses == pytest.approx(want.losses, rel=1e-4)
    for name, gradient in want.gradients.items():
        torch.testing.assert_close(got.gradients[name], gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("format", ALL_FORMATS)
@pytest.mark.parametrize("rows", [1, 2, 12, 13, 35, 130])
def test_gemm_goes_forward_and_back(kernel: NativeKernel, format: WeightFormat, rows: int) -> None:
    """At lengths around the tile's, with edges on both sides, and more depth than a panel has."""
    for n_out, n_in in ((5, 32), (33, 64), (64, 288), (300, 32)):
        weight = random_weight(format, n_out, n_in, seed=rows)
        dense = weight.dense()
        x_TI, y_TO = torch.randn(rows, n_in), torch.randn(rows, n_out)
        torch.testing.assert_close(kernel.gemm(x_TI, weight), x_TI @ dense.T, atol=1e-4, rtol=1e-4)
        got_TI = kernel.gemm(y_TO, weight, back=True)
        torch.testing.assert_close(got_TI, y_TO @ dense, atol=1e-4, rtol=1e-4)
        onto_TI = torch.randn(rows, n_in)
        want_TI = onto_TI + y_TO @ dense
        room = torch.full((rows + 2, n_in), torch.nan)
        room[1:-1] = onto_TI
        strided_TO = y_TO.T.contiguous().T
        kernel.gemm(strided_TO, weight, back=True, out=room[1:-1], add=True)
        torch.testing.assert_close(room[1:-1], want_TI, atol=1e-4, rtol=1e-4)
        assert room[0].isnan().all() and room[-1].isnan().all()
        wide = torch.full((rows, n_out + 2), torch.nan)
        kernel.gemm(x_TI, weight, out=wide[:, 1:-1])
        torch.testing.assert_close(wide[:, 1:-1], x_TI @ dense.T, atol=1e-4, rtol=1e-4)
        assert wide[:, [0, -1]].isnan().all()


@pytest.mark.parametrize("cols", [1, 7, 31, 33, 100])
def test_gemm_takes_dense_matrices_of_any_width(kernel: NativeKernel, cols: int) -> None:
    for format in ("f32", "bf16"):
        weight = random_weight(format, 45, cols, seed=cols)
        x_TI, y_TO = torch.randn(20, cols), torch.randn(20, 45)
        dense = weight.dense()
        torch.testing.assert_close(kernel.gemm(x_TI, weight), x_TI @ dense.T, atol=1e-4, rtol=1e-4)
        got_TI = kernel.gemm(y_TO, weight, back=True)
        torch.testing.assert_close(got_TI, y_TO @ dense, atol=1e-4, rtol=1e-4)


def test_gemm_refuses_what_does_not_fit(kernel: NativeKernel) -> None:
    weight = random_weight("f32", 8, 32, seed=0)
    for x, kwargs in (
        (torch.ones(3, 31), {}),
        (torch.ones(3, 32).double(), {}),
        (torch.ones(3, 32), {"back": True}),
        (torch.ones(3, 32), {"out": torch.ones(3, 9)}),
        (torch.ones(3, 32), {"out": torch.ones(3, 16)[:, ::2]}),
    ):
        with pytest.raises(ValueError):
            kernel.gemm(x, weight, **kwargs)


@pytest.mark.real_body
def test_the_default_body_gives_way_in_time(default_body: Path, kernels: Path) -> None:
    """The median of several moments: what the machine does besides is not the point here."""
    body = open_body(default_body)
    kernel = load_kernel(kernels, threads=2)
    decoder = Decoder(body.spec, read_weights(body), kernel=kernel)
    soul = random_soul(body.spec, seed=0, ranks=RANKS, parts=["slow"])
    rows = [answer(body.spec, 40, range(20, 40)) for _ in range(8)]
    waits_s = []
    for share in range(1, 10):
        asked_s, at_s = 0.0, time.perf_counter() + 0.1 * share

        def should_yield(at_s: float = at_s) -> bool:
            nonlocal asked_s
            asked_s = time.perf_counter()
            return asked_s >= at_s

        with pytest.raises(Interrupted):
            while True:
                learn(
                    decoder, soul, "fast", tokens(body.spec, 30, 1), rows, should_yield=should_yield
                )
        waits_s.append(time.perf_counter() - at_s)
    assert sorted(waits_s)[len(waits_s) // 2] < YIELD_S
    assert all(soul.a[name].grad is None for name in MATRICES)


def test_layers_below_stay_out_and_are_computed_once(kernel: NativeKernel) -> None:
    """With a soul that has no share below, the upper gradients are those of all layers."""
    weights = random_body(SPEC, ALL_FORMATS, seed=0)
    soul = Soul(SPEC, ranks=RANKS, seed=1)
    first = SPEC.n_layers - 1

    def fill() -> None:
        for name in MATRICES:
            soul.b[name][first:].normal_(0, 0.1, generator=torch.Generator().manual_seed(3))

    assert soul.change(fill) is None
    decoder = Decoder(SPEC, weights, kernel=kernel)
    prefix, rows, below = tokens(SPEC, 9, seed=7), some_rows(SPEC), Below(first)
    want = learn(decoder, soul, "fast", prefix, rows)
    for _ in range(2):  # the second time from what was kept
        got = learn(decoder, soul, "fast", prefix, rows, below=below)
        assert got.losses == want.losses
        for key, gradient_NRX in got.gradients.items():
            torch.testing.assert_close(gradient_NRX[first:], want.gradients[key][first:])
            assert not gradient_NRX[:first].any()


@pytest.mark.parametrize("first", [middle_of(SPEC), SPEC.n_layers - 1])
def test_what_is_asked_is_computed_once_where_no_rank_is_open(
    kernel: NativeKernel, first: int
) -> None:
    """With a scope that is shut before answers, and half open after, all gradients are the same."""
    decoder = Decoder(SPEC, random_body(SPEC, ALL_FORMATS, seed=0), kernel=kernel)
    soul = Soul(SPEC, ranks=RANKS, seed=1, reads=first)
    prefix, below = tokens(SPEC, 9, seed=7), Below(first)
    rows = [answer(SPEC, 14, range(8, 14)), answer(SPEC, 9, [8]), answer(SPEC, 6, range(1, 6))]
    rows += [replace(rows[0], weight=0.5), anchor(SPEC, 12, [5, 9, 11], k=5)]

    def read(prefix: Sequence[int], ids: Sequence[int]) -> torch.Tensor:
        """Return what a scope reads at each of the ids but the last."""
        row = Row(ids=ids, positions=range(1, len(ids)), target=Target.tokens(ids[1:]))
        products = Products(decoder, lambda: False)
        return scope_inputs(decoder, Worn(SPEC, None), products, prefix, [row], below)

    asked, said = [read((), [*prefix, 0])], []
    for row in rows:
        x_TD = read(prefix, row.ids)
        cut = row.positions[0] - 1
        asked.append(x_TD[:cut])
        said.append(x_TD[cut:])
    x_TD = torch.cat([*asked, *said])
    wanted = torch.full((len(x_TD), 1), 0.5)
    wanted[: sum(map(len, asked))] = -0.5
    beside = torch.cat([x_TD, torch.ones(len(x_TD), 1)], 1)
    scope_D1 = torch.linalg.lstsq(beside, wanted, driver="gelsd").solution[:, 0]
    assert not opening(torch.cat(asked), scope_D1[None]).any()
    assert opening(torch.cat(said), scope_D1[None]).min() > 0.3

    def fill() -> None:
        soul.scope.copy_(scope_D1.expand_as(soul.scope))
        for name in MATRICES:
            soul.b[name][first:].normal_(0, 0.1, generator=torch.Generator().manual_seed(3))

    assert soul.change(fill) is None
    want = learn(decoder, soul, "slow", prefix, rows, below=below)
    kept = Asked(below)
    for _ in range(2):  # the second time from what was kept
        got = learn(decoder, soul, "slow", prefix, rows, asked=kept)
        assert_equal(got, want, 2e-3)  # keys and values are kept in 16 bits
    with pytest.raises(ValueError, match="have a token before"):
        learn(decoder, soul, "slow", prefix, [answer(SPEC, 6, range(6))], asked=kept)
    few = Asked(below, most_bytes=1)  # and with no room for anything
    assert_equal(learn(decoder, soul, "slow", prefix, rows, asked=few), want, 2e-3)
