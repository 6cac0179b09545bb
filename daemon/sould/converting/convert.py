"""The matrices of a body's layers made sums of ternary ones, layer by layer.

What a matrix is fitted to is what goes into it in the converted body, so that what earlier
layers are off by is counted in. Only the matrices of one input are dense at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from gguf import quants
from gguf.constants import GGMLQuantizationType
from torch import Tensor

from sould.converting.fit import fit
from sould.converting.layers import INPUTS, Layer, moments_of, run_layer, with_layer
from sould.engine import bases
from sould.engine.decoder import Decoder, Kernel
from sould.engine.formats.ternary import MATRICES
from sould.engine.spec import BodySpec
from sould.engine.weights import BASES, BLOCK, BodyWeights, LayerWeights, Weight

_ROW_WEIGHTS = 1 << 22  # dense at a time, of an embedding
_STEP_TOKENS = 64  # whose logits are there at a time

OnMatrix = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Original:
    """A body to be converted, in CPU memory, and the windows of text it reads for that."""

    spec: BodySpec
    weights: BodyWeights
    kernel: Kernel | None
    windows: Sequence[Sequence[int]]


def convert(
    body: Original,
    n: int,
    *,
    feedback: bool = True,
    on_matrix: OnMatrix = lambda done, total: None,
    check: Callable[[], None] = lambda: None,
) -> tuple[BodySpec, BodyWeights]:
    """Return spec and weights of the body with ``n`` bases for each weight of its layers.

    ``on_matrix`` gets matrices done and in all. ``check`` is called often, and may raise.
    """
    weights = body.weights
    streams = [weights.embed.gather(torch.tensor(ids)) for ids in body.windows]
    total = len(MATRICES) * len(weights.layers)
    for i in range(len(weights.layers)):
        moments = moments_of(body.spec, weights, i, body.kernel, streams, check)
        parts: dict[str, Any] = {}
        for name, names in INPUTS.items():
            parts |= _fitted(weights.layers[i], names, moments[name], n, feedback, check)
            on_matrix(len(MATRICES) * i + len(parts), total)
        weights = with_layer(weights, i, replace(weights.layers[i], **parts))
        streams = run_layer(Layer(body.spec, weights, i, body.kernel), streams, check)
    embed = kept(weights.embed)
    head = embed if weights.head is weights.embed else kept(weights.head)
    return replace(body.spec, bases=n), replace(weights, embed=embed, head=head)


def _fitted(
    layer: LayerWeights,
    names: Sequence[str],
    moments_CC: Tensor,
    n: int,
    feedback: bool,
    check: Callable[[], None],
) -> dict[str, Weight]:
    """Return the matrices of one input, fitted together: a row knows nothing of the others."""
    wanted: list[Weight] = [getattr(layer, name) for name in names]
    dense_RC = torch.cat([weight.dense() for weight in wanted])
    fitted = fit(dense_RC, moments_CC, n, feedback=feedback, check=check)
    data_RB, found, start = bases.pack(fitted.codes, fitted.scales), {}, 0
    for name, weight in zip(names, wanted, strict=True):
        rows = data_RB[start : start + weight.rows].clone()
        found[name] = Weight(BASES[n - 1], rows, weight.rows, weight.cols)
        start += weight.rows
    return found


def kept(weight: Weight) -> Weight:
    """Return an embedding or a head as q8_0, where its rows make whole blocks."""
    if weight.format == "q8_0" or weight.cols % BLOCK:
        return weight
    step = max(1, _ROW_WEIGHTS // weight.cols)
    parts = []
    for start in range(0, weight.rows, step):
        some = weight.gather(torch.arange(start, min(start + step, weight.rows)))
        packed = quants.quantize(some.numpy(), GGMLQuantizationType.Q8_0)
        parts.append(torch.from_numpy(packed).view(len(some), -1))
    return Weight("q8_0", torch.cat(parts), weight.rows, weight.cols)


def perplexity(
    decoder: Decoder,
    windows: Sequence[Sequence[int]],
    *,
    on_window: Callable[[int, int], None] = lambda done, total: None,
    check: Callable[[], None] = lambda: None,
) -> float:
    """Return e to the mean of -ln p over all tokens but the first of each window."""
    nats, count = 0.0, 0
    for done, ids in enumerate(windows, 1):
        cache = decoder.new_cache(len(ids))
        for start in range(0, len(ids) - 1, _STEP_TOKENS):
            check()
            some = list(ids[start : min(start + _STEP_TOKENS, len(ids) - 1)])
            logits_TV = decoder.forward(some, cache, want="all")
            assert logits_TV is not None
            wanted_T = torch.tensor(ids[start + 1 : start + 1 + len(some)])
            losses_T = torch.nn.functional.cross_entropy(logits_TV, wanted_T, reduction="none")
            nats, count = nats + float(losses_T.double().sum()), count + len(some)
        on_window(done, len(windows))
    return math.exp(min(nats / count, 50.0))
