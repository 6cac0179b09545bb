"""On a GPU: ternary products of the shapes of BitNet b1.58 2B, against memory bandwidth and against
bf16 in torch; and the default body with a soul, how fast it replies and learns. ``make bench
BENCH_ARGS=gpu``; it says so where there is no CUDA device.

Matrices are so many that no cache holds them; their products are one CUDA graph, since starting one
from Python takes longer than the product itself. How long that is is a figure of its own.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.kernel import KernelUnavailable
from sould.engine.kernel.selftest import random_weight
from sould.engine.read_weights import read_weights
from sould.engine.triton_kernel.layout import GpuWeight
from sould.engine.triton_kernel.load import load_triton
from sould.engine.weights import Weight, WeightFormat
from tests.bench.soul import decoding, full_soul, learning
from tests.bench.table import Env, Row

if TYPE_CHECKING:
    from sould.engine.triton_kernel.launch import Rows, TritonKernel

SHAPES = ((2560, 2560), (6912, 2560), (2560, 6912))
FORMATS: tuple[WeightFormat, ...] = ("ternary", "bases2")
PREFILL = (16, 64, 512)
HELD_BYTES = 768 << 20  # of one kind of matrix: many times any cache
READ_BYTES = 1 << 30
ROUNDS = 15
BANDWIDTH_BAR, BF16_BAR = 0.6, 4.0

Run = Callable[[], None]


def run(env: Env) -> list[Row]:
    if not torch.cuda.is_available():
        return [_unmeasured("no CUDA device on this machine")]
    device = torch.device("cuda:0")
    return [*_ternary(env, device), *_body(env, device)]


def _body(env: Env, device: torch.device) -> Iterator[Row]:
    """The default body, its weights packed as in its file or unpacked once."""
    file = open_body(env.body)
    weights = read_weights(file)
    for is_unpacked in (False, True):
        decoder = Decoder(
            file.spec,
            weights,
            devices=[device] * file.spec.n_layers,
            dtype=torch.bfloat16,
            unpacked=is_unpacked,
        )
        soul = full_soul(file.spec)
        decoding(decoder, soul, rounds=1)  # torch has kernels to load
        held = "unpacked" if is_unpacked else "packed"
        for row in (*decoding(decoder, soul), *learning(decoder, soul)):
            yield Row(name=f"{held}: {row.name}", value=row.value, unit=row.unit, note=row.note)


def _ternary(env: Env, device: torch.device) -> list[Row]:
    try:
        kernel = load_triton(env.cache_dir, device, FORMATS)
    except KernelUnavailable as e:
        return [_unmeasured(str(e))]
    read = _bandwidth(device)
    name = torch.cuda.get_device_name(device)
    rows = [Row(name="GPU memory, copied", value=read / 1e9, unit="GB/s", note=name)]
    for shape in SHAPES:
        rows += _one_token(kernel, shape, read)
    return rows + list(_prefill(kernel, SHAPES[1]))


def _unmeasured(why: str) -> Row:
    return Row(name="ternary products on a GPU", value=None, unit="", note=why)


def _one_token(kernel: TritonKernel, shape: tuple[int, int], bandwidth: float) -> Iterator[Row]:
    rows, cols = shape
    x_1C = torch.randn(1, cols, device=kernel.device, dtype=torch.bfloat16)
    by_torch_s, from_python_s = _torch_s(x_1C, rows)
    for format in FORMATS:
        some = _matrices(kernel, format, shape)
        size = some[0].nbytes
        ours_s = _graph_s(lambda some=some: [kernel.product(x_1C, w) for w in some]) / len(some)
        share, times = size / ours_s / bandwidth, by_torch_s / ours_s
        is_held = format == "ternary"
        note = f"{ours_s * 1e6:.2f} µs, bf16 in torch {by_torch_s * 1e6:.2f}; one token, in a graph"
        yield Row(
            name=f"{format} {rows}×{cols} / memory bandwidth",
            value=share,
            unit="×",
            bar=f"≥ {BANDWIDTH_BAR:g}" if is_held else "",
            ok=share >= BANDWIDTH_BAR if is_held else None,
            note=note,
        )
        yield Row(
            name=f"{format} {rows}×{cols} / bf16 in torch",
            value=times,
            unit="×",
            bar=f"≥ {BF16_BAR:g}" if is_held else "",
            ok=times >= BF16_BAR if is_held else None,
        )
        started_s = _python_s(lambda some=some: [kernel.product(x_1C, w) for w in some]) / len(some)
        yield Row(
            name=f"{format} {rows}×{cols}, started from Python",
            value=started_s * 1e6,
            unit="µs",
            note=f"bf16 in torch {from_python_s * 1e6:.1f} µs",
        )
        if is_held and shape == SHAPES[1]:  # every cut is compiled: some minutes for all shapes
            yield _best_cut(kernel, x_1C, some, bandwidth)


def _torch_s(x_1C: Tensor, rows: int) -> tuple[float, float]:
    """Return the time of a product with bf16 in torch, in a graph and started from Python."""
    one = torch.randn(rows, x_1C.shape[1], device=x_1C.device).to(torch.bfloat16)
    dense = _copies(one)

    def products() -> None:
        for w in dense:
            F.linear(x_1C, w)

    return _graph_s(products) / len(dense), _python_s(products) / len(dense)


def _best_cut(
    kernel: TritonKernel, x_1C: Tensor, some: Sequence[GpuWeight], bandwidth: float
) -> Row:
    """The matrix–vector product alone, in every way to cut it: is the one that is taken right?"""
    rounded = kernel.rounded(x_1C, some[0].words)

    def share(cut: Rows) -> float:
        def products() -> None:
            for w in some:
                kernel.matvec(rounded, w, x_1C.dtype, cut)

        return some[0].nbytes * len(some) / _graph_s(products, rounds=5) / bandwidth

    taken = kernel.cut(some[0])
    shares = {cut: share(cut) for cut in {taken, *_cuts()}}
    best = max(shares, key=shares.__getitem__)
    return Row(
        name=f"ternary {some[0].rows}×{some[0].cols}, without rounding x",
        value=shares[taken],
        unit="×",
        note=f"cut {_said(taken)}; the best, {_said(best)}, {shares[best]:.3f}; of bandwidth",
    )


def _cuts() -> Iterator[Rows]:
    from sould.engine.triton_kernel.launch import Rows

    for rows in (1, 2, 4, 8, 16, 32):
        for words in (32, 64, 128, 256):
            for warps in (1, 2, 4, 8):
                if 1 <= rows * words // (128 * warps) <= 4:  # words of a thread, of 4 each
                    yield Rows(rows, words, warps)


def _said(cut: Rows) -> str:
    return f"{cut.rows} rows × {cut.words} words, {cut.warps} warps"


def _prefill(kernel: TritonKernel, shape: tuple[int, int]) -> Iterator[Row]:
    rows, cols = shape
    dense = torch.randn(rows, cols, device=kernel.device).to(torch.bfloat16)
    for format in FORMATS:
        weight = _matrix(kernel, format, shape)
        for tokens in PREFILL:
            x_TC = torch.randn(tokens, cols, device=kernel.device, dtype=torch.bfloat16)
            ours_s = _graph_s(lambda w=weight, x=x_TC: [kernel.product(x, w) for _ in range(20)])
            by_torch_s = _graph_s(lambda x=x_TC: [F.linear(x, dense) for _ in range(20)])
            yield Row(
                name=f"{format} {rows}×{cols}, {tokens} tokens / bf16 in torch",
                value=by_torch_s / ours_s,
                unit="×",
                note=f"{ours_s / 20 * 1e6:.1f} µs",
            )


def _matrix(kernel: TritonKernel, format: WeightFormat, shape: tuple[int, int]) -> GpuWeight:
    weight = random_weight(format, *shape, seed=0)
    there = kernel.take(Weight(format, weight.data.to(kernel.device), *shape))
    assert isinstance(there, GpuWeight)
    return there


def _matrices(
    kernel: TritonKernel, format: WeightFormat, shape: tuple[int, int]
) -> list[GpuWeight]:
    one = _matrix(kernel, format, shape)
    return [
        GpuWeight(format, data, *shape, one.scales.clone(), kernel) for data in _copies(one.data)
    ]


def _copies(data: Tensor) -> list[Tensor]:
    count = -(-HELD_BYTES // (data.numel() * data.element_size()))
    return [data.clone() for _ in range(count)]


def _bandwidth(device: torch.device) -> float:
    """Return bytes a second, read and written."""
    source = torch.zeros(READ_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * READ_BYTES / _graph_s(lambda: target.copy_(source))


def _graph_s(work: Callable[[], object], *, rounds: int = ROUNDS) -> float:
    """Return the median time of a CUDA graph of ``work``."""
    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):
        work()  # compiled before it is recorded
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return _event_s(graph.replay, rounds)


def _python_s(work: Callable[[], object]) -> float:
    work()
    torch.cuda.synchronize()
    started_s = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started_s


def _event_s(work: Run, rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return statistics.median(times[1:])  # the first replay has caches and clocks to warm
