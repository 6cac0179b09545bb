"""The compiled kernel computes what the torch reference computes, in every build and shape."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.kernel import KernelUnavailable, NativeKernel, load_kernel
from sould.engine.kernel.selftest import ALL_FORMATS, random_body, random_weight
from sould.engine.kvcache import KVCache
from sould.engine.read_weights import read_weights
from sould.engine.spec import BodySpec
from sould.engine.weights import BASES, BodyWeights, Weight, WeightFormat


def small_spec(**changes: object) -> BodySpec:
    """Grouped queries, a head of 24 (no multiple of any vector), a feed-forward of 160."""
    spec = BodySpec(
        family="llama",
        vocab_size=67,
        d_model=96,
        n_layers=2,
        n_heads=6,
        n_kv_heads=2,
        head_dim=24,
        d_ff=160,
        norm_eps=1e-5,
        inv_freq=tuple(50.0 ** (-i / 12) for i in range(12)),
        context_max=4096,
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def prompt(spec: BodySpec, length: int) -> list[int]:
    generator = torch.Generator().manual_seed(length)
    return torch.randint(0, spec.vocab_size, (length,), generator=generator).tolist()


def reference_logits(spec: BodySpec, weights: BodyWeights, tokens: list[int]) -> torch.Tensor:
    decoder = Decoder(spec, weights)
    logits_TV = decoder.forward(tokens, decoder.new_cache(len(tokens)), want="all")
    assert logits_TV is not None
    return logits_TV


def assert_steps_match(
    kernel: NativeKernel, spec: BodySpec, weights: BodyWeights, tokens: list[int]
) -> None:
    """Compare every single step, and runs of several tokens, with the reference."""
    want_TV = reference_logits(spec, weights, tokens)
    stepper = kernel.stepper(spec, weights)
    cache = KVCache(spec, limit=len(tokens))
    for i, token in enumerate(tokens):
        torch.testing.assert_close(stepper.step(token, cache), want_TV[i], atol=1e-4, rtol=0)
    assert cache.tokens == tokens
    for count in (1, 2, 3, 4, 5, 8, 9, 13):
        cache.truncate(0)
        for start in range(0, len(tokens), count):
            got_V = stepper.step_many(tokens[start : start + count], cache)
            want_V = want_TV[cache.length - 1]
            torch.testing.assert_close(got_V, want_V, atol=1e-4, rtol=0)


@pytest.mark.parametrize("format", ALL_FORMATS)
@pytest.mark.parametrize("rows", [1, 3, 37, 130])
@pytest.mark.parametrize("cols", [32, 96, 576])
def test_block_sized_matrices(
    kernel: NativeKernel, format: WeightFormat, rows: int, cols: int
) -> None:
    weight = random_weight(format, rows, cols, seed=rows + cols)
    assert_weight_matches(kernel, weight)


@pytest.mark.parametrize("format", ["bf16", "f16", "f32", *BASES])
@pytest.mark.parametrize("cols", [1, 7, 31, 33, 65, 100])
def test_some_formats_take_any_width(kernel: NativeKernel, format: WeightFormat, cols: int) -> None:
    assert_weight_matches(kernel, random_weight(format, 5, cols, seed=cols))


def assert_weight_matches(kernel: NativeKernel, weight: Weight) -> None:
    dense = weight.dense()
    for tokens in (1, 2, 3, 4, 5, 7, 8, 9, 17):
        x_TC = torch.randn(tokens, weight.cols, generator=torch.Generator().manual_seed(tokens))
        got_TR = kernel.matvec(weight, x_TC)
        torch.testing.assert_close(got_TR, x_TC @ dense.T, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(kernel.matvec(weight, x_TC[0]), got_TR[0], atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(kernel.dense(weight), dense, atol=1e-7, rtol=1e-6)


def test_dense_writes_where_it_is_told_and_nowhere_else(native: NativeKernel) -> None:
    weight = random_weight("q4_1", 35, 64, seed=1)
    room = torch.full((37, 64), 7.0)
    out = native.dense(weight, room[1:36])
    assert out.data_ptr() == room[1].data_ptr()
    torch.testing.assert_close(room[1:36], weight.dense(), atol=1e-7, rtol=1e-6)
    assert room[0].eq(7).all() and room[36].eq(7).all()


def test_f16_extremes_survive(kernel: NativeKernel) -> None:
    bits = torch.tensor([0, 1, 0x3FF, 0x400, 0x3C00, 0x7BFF, 0x7C00, 0x7E00], dtype=torch.int32)
    bits = torch.cat([bits, bits + 0x8000]).to(torch.uint16).repeat(2)
    weight = Weight("f16", bits.view(torch.float16).reshape(1, 32), 1, 32)
    torch.testing.assert_close(kernel.dense(weight), weight.dense(), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("format", ALL_FORMATS)
def test_steps_in_every_format(kernel: NativeKernel, format: WeightFormat) -> None:
    # the output projection reads n_heads * head_dim columns: 32 of them make whole blocks
    spec = small_spec(head_dim=32, inv_freq=tuple(50.0 ** (-i / 16) for i in range(16)))
    weights = random_body(spec, [format], seed=3, optional=())
    assert_steps_match(kernel, spec, weights, prompt(spec, 30))


@pytest.mark.parametrize(
    "optional",
    [
        ("q_bias", "k_bias", "v_bias"),
        ("o_bias",),
        ("gate_bias", "up_bias", "down_bias"),
        ("q_norm", "k_norm"),
    ],
    ids=lambda names: names[0],
)
def test_biases_and_head_norms(kernel: NativeKernel, optional: tuple[str, ...]) -> None:
    spec = small_spec()
    weights = random_body(spec, ["f32"], seed=4, optional=optional)
    assert_steps_match(kernel, spec, weights, prompt(spec, 20))


@pytest.mark.parametrize("heads", [(1, 1), (4, 4), (4, 1), (9, 3)])
def test_grouped_queries(kernel: NativeKernel, heads: tuple[int, int]) -> None:
    spec = small_spec(n_heads=heads[0], n_kv_heads=heads[1])
    assert_steps_match(kernel, spec, random_body(spec, ["f16"], seed=5), prompt(spec, 20))


@pytest.mark.parametrize("head_dim", [2, 16, 64, 80])
def test_head_sizes(kernel: NativeKernel, head_dim: int) -> None:
    half = head_dim // 2
    spec = small_spec(head_dim=head_dim, inv_freq=tuple(50.0 ** (-i / half) for i in range(half)))
    assert_steps_match(kernel, spec, random_body(spec, ["bf16"], seed=6), prompt(spec, 20))


@pytest.mark.parametrize("window", [1, 2, 63, 64, 65, 200])
def test_windows_over_several_blocks_of_keys(kernel: NativeKernel, window: int) -> None:
    spec = small_spec(windows=(window, 0))
    weights = random_body(spec, ["f32"], seed=7, optional=())
    assert_long_context_matches(kernel, spec, weights)


def test_scaled_rope_and_a_long_context(kernel: NativeKernel) -> None:
    spec = small_spec(rope_scale=1.3)
    weights = random_body(spec, ["f32"], seed=8, optional=())
    assert_long_context_matches(kernel, spec, weights)


def assert_long_context_matches(kernel: NativeKernel, spec: BodySpec, weights: BodyWeights) -> None:
    """Prefill past the cache's first capacity, then step: single steps split the context."""
    tokens = prompt(spec, 330)
    want_TV = reference_logits(spec, weights, tokens)
    stepper = kernel.stepper(spec, weights)
    cache = KVCache(spec, limit=1000)
    torch.testing.assert_close(
        stepper.step_many(tokens[:-30], cache), want_TV[-31], atol=1e-4, rtol=0
    )
    for i, token in enumerate(tokens[-30:]):
        want_V = want_TV[300 + i]
        torch.testing.assert_close(stepper.step(token, cache), want_V, atol=1e-4, rtol=0)
    assert cache.capacity > 256


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("team", ["auto", "own"])
def test_any_number_of_threads(kernels: Path, threads: int, team: str) -> None:
    kernel = load_kernel(kernels, threads=threads, team=team)  # type: ignore[arg-type]
    spec = small_spec()
    weights = random_body(spec, ["f32"], seed=9)
    assert_steps_match(kernel, spec, weights, prompt(spec, 20))
    assert_long_context_matches(kernel, spec, weights)


def test_unused_memory_is_never_looked_at(kernel: NativeKernel) -> None:
    spec = small_spec()
    weights = random_body(spec, ["f32"], seed=10)
    tokens = prompt(spec, 20)
    want_TV = reference_logits(spec, weights, tokens)
    stepper = kernel.stepper(spec, weights)
    cache = KVCache(spec, limit=300)
    stepper.step_many(tokens[:13], cache)
    for buffer in (*cache.k, *cache.v):
        buffer[:, cache.length :] = torch.nan
    for i in range(13, 20):
        stepper._scratch.view(torch.float32).fill_(torch.nan)
        stepper._logits.fill_(torch.nan)
        got_V = stepper.step(tokens[i], cache)
        torch.testing.assert_close(got_V, want_TV[i], atol=1e-4, rtol=0)
    assert cache.k[0][:, cache.length :].isnan().all()


def test_a_grown_and_a_second_cache_are_noticed(native: NativeKernel) -> None:
    spec = small_spec()
    weights = random_body(spec, ["f32"], seed=11)
    tokens = prompt(spec, 20)
    want_TV = reference_logits(spec, weights, tokens)
    stepper = native.stepper(spec, weights)
    first, second = KVCache(spec, limit=2000), KVCache(spec, limit=50)
    for i, token in enumerate(tokens):
        stepper.step(token, second)
        got_V = stepper.step(token, first)
        torch.testing.assert_close(got_V, want_TV[i], atol=1e-4, rtol=0)
        if i == 10:
            first.reserve(600)  # moves the buffers
    second.truncate(7)
    torch.testing.assert_close(stepper.step(tokens[7], second), want_TV[7], atol=1e-4, rtol=0)


def test_torch_between_the_steps(native: NativeKernel) -> None:
    """Both use the same threads in turn, as prefill and decode do."""
    spec = small_spec()
    weights = random_body(spec, ["f32"], seed=12)
    tokens = prompt(spec, 40)
    want_TV = reference_logits(spec, weights, tokens)
    stepper, cache = native.stepper(spec, weights), KVCache(spec, limit=64)
    a = torch.randn(300, 300)
    for i, token in enumerate(tokens):
        product = a @ a
        torch.testing.assert_close(stepper.step(token, cache), want_TV[i], atol=1e-4, rtol=0)
        assert torch.equal(a @ a, product)


def test_threads_sleep_when_there_is_nothing_to_do(kernels: Path) -> None:
    for team in ("auto", "own"):
        kernel = load_kernel(kernels, threads=2, team=team)  # type: ignore[arg-type]
        kernel.matvec(random_weight("f32", 64, 64, seed=0), torch.ones(64))
        time.sleep(0.2)
        started_s = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - started_s < 0.05


@pytest.mark.parametrize("tokens", [[], [-1], [67], [3, 1 << 40]])
def test_wrong_tokens_change_nothing(native: NativeKernel, tokens: list[int]) -> None:
    spec = small_spec()
    stepper = native.stepper(spec, random_body(spec, ["f32"], seed=13))
    cache = KVCache(spec, limit=8)
    with pytest.raises(ValueError, match="token"):
        stepper.step_many(tokens, cache)
    assert cache.tokens == []


def test_a_full_context_is_an_error(native: NativeKernel) -> None:
    spec = small_spec()
    stepper = native.stepper(spec, random_body(spec, ["f32"], seed=14))
    cache = KVCache(spec, limit=4)
    stepper.step_many([1, 2, 3], cache)
    with pytest.raises(ValueError, match="do not fit"):
        stepper.step_many([1, 2], cache)
    assert cache.tokens == [1, 2, 3]


def test_wrong_caches_are_refused(native: NativeKernel) -> None:
    spec = small_spec()
    stepper = native.stepper(spec, random_body(spec, ["f32"], seed=15))
    with pytest.raises(ValueError, match="keys of layer 0"):
        stepper.step(1, KVCache(spec, limit=8, dtype=torch.bfloat16))
    with pytest.raises(ValueError, match="keys of layer 0"):
        stepper.step(1, KVCache(replace(spec, n_kv_heads=3), limit=8))
    with pytest.raises(ValueError, match="layers"):
        stepper.step(1, KVCache(replace(spec, n_layers=3), limit=8))


@pytest.mark.parametrize(
    "break_it",
    [
        lambda w: replace(w, layers=w.layers[:1]),
        lambda w: replace(w, final_norm=w.final_norm.double()),
        lambda w: replace(w, final_norm=w.final_norm[:-1]),
        lambda w: replace(w, head=random_weight("f32", 66, 96, seed=0)),
        lambda w: replace(w, embed=Weight("f32", w.embed.data[:, ::2], 67, 48)),
        lambda w: replace(w, layers=(w.layers[0], replace(w.layers[1], q=w.layers[1].k))),
        lambda w: replace(w, layers=(w.layers[0], replace(w.layers[1], q_bias=torch.ones(3)))),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    native: NativeKernel, break_it: Callable[[BodyWeights], BodyWeights]
) -> None:
    spec = small_spec()
    weights = random_body(spec, ["f32"], seed=16)
    native.stepper(spec, weights)
    with pytest.raises(ValueError):
        native.stepper(spec, break_it(weights))


def test_no_compiler_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(KernelUnavailable, match="no C compiler"):
        load_kernel(tmp_path, threads=1)
    monkeypatch.setenv("CC", "no-such-compiler -O9")
    with pytest.raises(KernelUnavailable, match="no-such-compiler"):
        load_kernel(tmp_path, threads=1)
    monkeypatch.setenv("CC", "'gcc -O9")
    with pytest.raises(KernelUnavailable, match="is no command: No closing quotation"):
        load_kernel(tmp_path, threads=1)


def test_a_failing_compiler_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\n[ $1 = --version ] && exit 0\necho no room >&2\nexit 3\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(KernelUnavailable, match="ended with 3: no room"):
        load_kernel(tmp_path / "cache", threads=1)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(KernelUnavailable, match="cache"):
        load_kernel(tmp_path / "cache", threads=1)


def test_a_kernel_that_computes_wrongly_is_refused(tmp_path: Path) -> None:
    """The plain build with one constant of e^x off by a tenth passes for working otherwise."""
    wrong = [("-O0", "-DPLAIN_C", "-include", str(tmp_path / "wrong.h"))]
    (tmp_path / "wrong.h").write_text("#include <math.h>\n#define expf(x) (expf(x) * 1.1f)\n")
    with pytest.raises(KernelUnavailable, match="computes wrongly"):
        load_kernel(tmp_path / "cache", threads=1, machine_flags=wrong)


def test_flags_the_compiler_does_not_know_are_passed_over(kernels: Path) -> None:
    load_kernel(kernels, threads=1, machine_flags=[("-march=no-such-thing",), ("-O1",)])


def test_a_second_start_only_loads(kernels: Path, native: NativeKernel) -> None:
    before = {p: p.stat().st_mtime_ns for p in kernels.glob("*.so")}
    load_kernel(kernels, threads=1)
    assert {p: p.stat().st_mtime_ns for p in before} == before


@pytest.mark.parametrize("damage", [b"", b"not a library", None])
def test_a_damaged_library_is_built_again(tmp_path: Path, damage: bytes | None) -> None:
    fast = [("-O0", "-DPLAIN_C")]
    load_kernel(tmp_path, threads=1, machine_flags=fast)
    (library,) = tmp_path.iterdir()
    whole = library.read_bytes()
    # never write into a mapped library: replace it
    library.unlink()
    library.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    load_kernel(tmp_path, threads=1, machine_flags=fast)
    (library,) = tmp_path.iterdir()
    assert len(library.read_bytes()) >= len(whole) - 64


def test_builds_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        from sould.engine.kernel import load_kernel
        load_kernel(Path({str(tmp_path)!r}), threads=1, machine_flags=[("-O0", "-DPLAIN_C")])
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    children = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [child.wait(timeout=100) for child in children] == [0, 0, 0]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.real_body
def test_the_default_body(native: NativeKernel, default_body: Path) -> None:
    file = open_body(default_body)
    weights = read_weights(file)
    tokens = prompt(file.spec, 40)
    want_TV = reference_logits(file.spec, weights, tokens)
    stepper = native.stepper(file.spec, weights)
    cache = KVCache(file.spec, limit=100)
    stepper.step_many(tokens[:20], cache)
    for i in range(20, 40):
        got_V = stepper.step(tokens[i], cache)
        torch.testing.assert_close(got_V, want_TV[i], atol=1e-3, rtol=0)
        assert int(got_V.argmax()) == int(want_TV[i].argmax())
