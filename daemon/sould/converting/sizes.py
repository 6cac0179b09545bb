"""What a body takes: in its file, in memory, and in bits a weight of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from torch import Tensor

from sould.converting.text import WINDOW
from sould.engine.bodyfile import BodyFile
from sould.engine.formats import bases
from sould.engine.formats.ternary import MATRICES
from sould.engine.memory import held_bytes
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, Weight


@dataclass(frozen=True, kw_only=True)
class Size:
    """``bits_per_weight``: of the layers' matrices, in the file. ``held_bytes``: in memory."""

    bits_per_weight: float
    file_bytes: int
    held_bytes: int


def of_file(body: BodyFile) -> Size:
    """Return the size of a body as it lies there."""
    stored = [t for role, t in body.tensors.items() if role.rpartition(".")[2] in MATRICES]
    weights = sum(t.shape[0] * t.shape[1] for t in stored)
    return Size(
        bits_per_weight=8 * sum(t.nbytes for t in stored) / weights,
        file_bytes=body.size_bytes,
        held_bytes=held_bytes(body.tensors.values()),
    )


def needed_bytes(spec: BodySpec, n: int, *, read: int, is_taught: bool) -> int:
    """Return some estimate of the memory that converting takes beside the original.

    ``read``: tokens of text that the matrices are fitted to.
    """
    d, widest = spec.d_model, max(spec.d_ff, spec.d_q, spec.d_model)
    weights = spec.n_layers * (2 * d * (spec.d_q + spec.d_kv) + 3 * d * spec.d_ff)
    made = weights * bases.group_bytes(n) // bases.GROUP
    made += spec.vocab_size * d * 17 // 16  # an embedding that was not q8_0
    fitting = 4 * (6 * widest**2 + 6 * d * spec.d_ff + 4 * read * d)
    if not is_taught:
        return made + fitting
    scales = weights * n // bases.GROUP
    logits = WINDOW * spec.vocab_size
    streams = WINDOW * spec.n_layers * (12 * d + 8 * spec.d_ff)
    return 2 * made + fitting + 4 * (5 * scales + 6 * logits + streams)


def of_converted(weights: BodyWeights, n: int) -> Size:
    """Return the size of a body of ``n`` bases; its file's but for the header."""
    matrices = [part for part in _parts(weights) if isinstance(part, Weight)]
    others = sum(part.nbytes for part in _parts(weights) if isinstance(part, Tensor))
    others += weights.embed.nbytes + weights.final_norm.nbytes
    others += 0 if weights.head is weights.embed else weights.head.nbytes
    in_file = sum(_stored_bytes(one, n) for one in matrices)
    return Size(
        bits_per_weight=8 * in_file / sum(one.rows * one.cols for one in matrices),
        file_bytes=in_file + others,
        held_bytes=sum(one.nbytes for one in matrices) + others,
    )


def _stored_bytes(weight: Weight, n: int) -> int:
    _, rows, bytes_a_row = bases.packed_shape(n, weight.rows, weight.cols)
    groups = bases.scales_shape(n, weight.rows, weight.cols)[2]
    return n * rows * (bytes_a_row + 2 * groups)


def _parts(weights: BodyWeights) -> Iterator[Weight | Tensor]:
    for layer in weights.layers:
        for field in fields(layer):
            part = getattr(layer, field.name)
            if part is not None:
                yield part
