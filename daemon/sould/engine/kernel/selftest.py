"""Try a freshly loaded kernel on a random body, against the torch reference.

A few milliseconds at every start: a miscompiled kernel would not crash, it would talk
nonsense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sould.engine import bases, ternary
from sould.engine.decoder import Decoder, Kernel, Stepper
from sould.engine.formats.bases import scales_shape
from sould.engine.kernel.build import KernelUnavailable
from sould.engine.kernel.layout import DTYPES, MATRICES, REQUIRED, VECTORS
from sould.engine.soul.weights import MATRICES as SOUL_MATRICES
from sould.engine.soul.weights import Soul
from sould.engine.spec import BodySpec
from sould.engine.weights import (
    BASES,
    BLOCK,
    BodyWeights,
    LayerWeights,
    Weight,
    WeightFormat,
    count_bases,
)

ALL_FORMATS: tuple[WeightFormat, ...] = ("q4_1", "q8_0", "bf16", "f16", "f32", *BASES)
SUB_NORMS = ("attn_sub_norm", "mlp_sub_norm")
OPTIONAL = tuple(name for name, _ in VECTORS if name not in (*REQUIRED, *SUB_NORMS))
SOUL_RANKS = {"slow": 3, "fast": 5}
TOLERANCE = 1e-4  # logits of the random body are of size 1
TERNARY_TOLERANCE = 0.3  # numbers between two of int8 may be rounded either way: 0.05 was seen
SPEC = BodySpec(
    family="llama",
    vocab_size=37,
    d_model=64,
    n_layers=len(ALL_FORMATS),
    n_heads=4,
    n_kv_heads=2,
    head_dim=32,
    d_ff=96,
    norm_eps=1e-5,
    inv_freq=tuple(100.0 ** (-i / 16) for i in range(16)),
    context_max=300,
    windows=(0, 5) + (0,) * (len(ALL_FORMATS) - 2),
)
TERNARY_SPEC = replace(
    SPEC, family="bitnet", n_layers=2, windows=(), activation="relu2", sub_norms=True, tied=False
)


def check(kernel: Kernel) -> None:
    """Compare a prefill and a step of a body of every format, with and without a soul, with torch;
    and the products of a ternary matrix, bit by bit.

    Raises:
        KernelUnavailable: they differ.
    """
    weight = random_weight("ternary", 37, 300, seed=0)
    x_TC = torch.randn(5, 300, generator=torch.Generator().manual_seed(0))
    want_TR = ternary.product(x_TC, weight.data, weight.cols)
    if not torch.equal(kernel.matvec(weight, x_TC), want_TR):
        raise _computes_wrongly("a ternary product is off")
    unrounded = random_body(TERNARY_SPEC, ["f32"], seed=0, optional=SUB_NORMS)
    rounded = random_body(TERNARY_SPEC, ["ternary"], seed=0, optional=SUB_NORMS)
    for spec, weights, souls, tolerance in (
        (SPEC, random_body(SPEC, ALL_FORMATS, seed=0), (False, True), TOLERANCE),
        (TERNARY_SPEC, unrounded, (True,), TOLERANCE),
        (TERNARY_SPEC, rounded, (True,), TERNARY_TOLERANCE),
    ):
        stepper, reference = kernel.stepper(spec, weights), Decoder(spec, weights)
        for has_soul in souls:
            reference.soul = random_soul(spec, seed=0) if has_soul else None
            _compare(stepper, reference, tolerance)


def _compare(stepper: Stepper, reference: Decoder, tolerance: float) -> None:
    cache, reference_cache = reference.new_cache(300), reference.new_cache(300)
    # past several blocks of keys, and to where one token's context is split between threads
    for tokens in ([i % SPEC.vocab_size for i in range(261)], [30]):
        got_V = stepper.step_many(tokens, cache, reference.soul)
        want_V = reference.forward(tokens, reference_cache)
        assert want_V is not None
        error = float((got_V - want_V).abs().max())
        if not error <= tolerance:  # NaN is an error too
            raise _computes_wrongly(f"logits off by {error:.2g}")


def _computes_wrongly(how: str) -> KernelUnavailable:
    return KernelUnavailable(
        f"the compiled kernel computes wrongly: {how}",
        "try another compiler in $CC, or set body.kernel: torch",
    )


def random_soul(
    spec: BodySpec,
    *,
    seed: int,
    ranks: Mapping[str, int] = SOUL_RANKS,
    parts: Sequence[str] = tuple(SOUL_RANKS),
    reads: int | None = None,
) -> Soul:
    """Return a soul whose ``parts`` add something, of deviation 0.1 a number of B, to some tokens
    in part and to others not at all.
    """
    soul = Soul(spec, ranks=ranks, seed=seed, reads=reads)
    generator = torch.Generator().manual_seed(seed)
    mine = [soul.tensors(part)[f"{name}.b"] for part in parts for name in SOUL_MATRICES]
    soul.change(lambda: [b.normal_(0, 0.1, generator=generator) for b in mine])
    size = spec.d_model**-0.5
    soul.change(lambda: soul.scope.normal_(0, size, generator=generator)[:, -1].add_(0.5))
    return soul


def random_weight(format: WeightFormat, rows: int, cols: int, *, seed: int) -> Weight:
    """Return a matrix of numbers around 0 of deviation cols^-0.5."""
    generator = torch.Generator().manual_seed(seed)
    size = cols**-0.5
    if format in DTYPES:
        dense = torch.randn(rows, cols, generator=generator) * size
        return Weight(format, dense.to(DTYPES[format]), rows, cols)
    if format == "ternary":
        codes = torch.randint(0, 3, (rows, cols), generator=generator, dtype=torch.uint8)
        scales = (1 + torch.rand(rows, generator=generator)) * size
        return Weight(format, ternary.pack(codes, scales), rows, cols)
    if format in BASES:
        n = count_bases(format)
        codes = torch.randint(0, 3, (n, rows, cols), generator=generator, dtype=torch.uint8)
        scales = torch.rand(scales_shape(n, rows, cols), generator=generator) * size
        return Weight(format, bases.pack(codes, scales), rows, cols)
    blocks = (rows, cols // BLOCK)
    scale = torch.rand(*blocks, 1, generator=generator) * size / (4 if format == "q4_1" else 64)
    parts = [_bytes_of(scale)]
    if format == "q4_1":
        parts.append(_bytes_of(scale * -7.5))
    packed = BLOCK // 2 if format == "q4_1" else BLOCK
    parts.append(torch.randint(0, 256, (*blocks, packed), generator=generator, dtype=torch.uint8))
    return Weight(format, torch.cat(parts, dim=-1).reshape(rows, -1), rows, cols)


def random_body(
    spec: BodySpec,
    formats: Sequence[WeightFormat],
    *,
    seed: int,
    optional: Sequence[str] = OPTIONAL,
) -> BodyWeights:
    """Return random weights; layer i's matrices are in ``formats[i]``, round and round.

    ``optional``: which biases and q/k norms there are.
    """

    def vector(name: str, size: int, layer: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed + 97 * layer + len(name) + size)
        centre = 1.0 if name.endswith("norm") else 0.0
        return centre + 0.1 * torch.randn(size, generator=generator)

    def layer(i: int) -> LayerWeights:
        parts: dict[str, object] = {
            name: vector(name, getattr(spec, size), i)
            for name, size in VECTORS
            if name in REQUIRED or name in optional
        }
        for j, (name, rows, cols) in enumerate(MATRICES):
            kind = formats[i % len(formats)]
            shape = getattr(spec, rows), getattr(spec, cols)
            parts[name] = random_weight(kind, *shape, seed=seed + 31 * i + j)
        return LayerWeights(**parts)  # type: ignore[arg-type]

    return BodyWeights(
        embed=random_weight(formats[0], spec.vocab_size, spec.d_model, seed=seed + 1000),
        layers=tuple(layer(i) for i in range(spec.n_layers)),
        final_norm=vector("norm", spec.d_model, -1),
        head=random_weight(formats[-1], spec.vocab_size, spec.d_model, seed=seed + 1001),
    )


def _bytes_of(numbers: Tensor) -> Tensor:
    return numbers.to(torch.float16).view(torch.uint8)
