"""What a body takes in memory, worked out from its headers. No torch here.

``sould inspect`` shows it before anything is loaded; the engine holds itself to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Literal, Protocol

import psutil

from soul_client.wire import MemoryEstimate
from sould.engine.formats import bases
from sould.engine.formats.stored import StoredTensor
from sould.engine.formats.ternary import row_bytes
from sould.engine.spec import BodySpec

AUTO_CONTEXT_TOKENS = 4096
AUTO_SHARE_OF_FREE = 0.8
RUNTIME_BYTES = 280 << 20  # Python, torch, tokenizer and templates, before any body
UNPACKED_BYTES = 16 << 20  # the buffer that packed weights are made dense in
STATE_EVERY = 128  # tokens, after which a conversation's states are kept to go back to
STATE_COPIES = 2  # the state, and the one that its mini-batch began with
PREFILL_TOKENS = 256  # the longest piece of a prompt computed at once

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
FLOAT_BYTES: Mapping[Dtype, int] = {"float32": 4, "bfloat16": 2, "float16": 2}

_STORED_FLOAT_BYTES = {"F32": 4, "F16": 2, "BF16": 2}
_HELD_AS_Q4_1 = frozenset(("Q4_0", "Q4_1", "Q4_K"))
_Q4_1_BITS, _Q8_0_BITS = 5.0, 8.5


class BodyLike(Protocol):
    """What an estimate needs to know of a ``BodyFile``."""

    @property
    def spec(self) -> BodySpec: ...

    @property
    def tensors(self) -> Mapping[str, StoredTensor]: ...


def estimate(
    body: BodyLike,
    *,
    context_tokens: int | None = None,
    dtype: Dtype = "auto",
    parallel: int = 4,
    budget_bytes: int | None = None,
) -> MemoryEstimate:
    """Estimate what loading ``body`` on the CPU takes.

    None and "auto" are decided as the engine decides them. Keys and values are counted for
    ``parallel`` full conversations, or for as many as fit; for one at the least.
    """
    budget = auto_budget_bytes() if budget_bytes is None else budget_bytes
    context = choose_context(body.spec, context_tokens)
    weights = held_bytes(body.tensors.values(), dtype)
    scratch = scratch_bytes(body.spec, context)
    conversation = context * token_bytes(body.spec)
    count = count_conversations(budget - weights - scratch, conversation, parallel)
    total = weights + scratch + count * conversation
    return MemoryEstimate(
        weights_bytes=weights,
        cache_bytes=count * conversation,
        scratch_bytes=scratch,
        total_bytes=total,
        budget_bytes=budget,
        fits=total <= budget,
    )


def auto_budget_bytes(own_bytes: int = 0) -> int:
    """Return what the engine may take when nobody said: a share of what is free.

    ``own_bytes``: what the engine has already, which counts as free.
    """
    return int(AUTO_SHARE_OF_FREE * (psutil.virtual_memory().available + own_bytes))


def choose_context(spec: BodySpec, asked: int | None) -> int:
    """Return the context in tokens: what was asked for, never more than the body knows."""
    return min(spec.context_max, AUTO_CONTEXT_TOKENS if asked is None else asked)


def held_bytes(tensors: Iterable[StoredTensor], dtype: Dtype = "auto") -> int:
    """Return the bytes ``tensors`` take once read (``read_weights`` says as what)."""
    return sum(_held_bytes(tensor, dtype) for tensor in tensors)


def unpacked_bytes(tensors: Iterable[StoredTensor], value_bytes: int) -> int:
    """Return the bytes that matrices of blocks take more, made dense in values of that size."""
    blocks = [t for t in tensors if len(t.shape) == 2 and not t.bases and not t.is_ternary]
    packed = [t for t in blocks if t.dtype not in _STORED_FLOAT_BYTES and t.dtype != bases.SCALES]
    return sum(value_bytes * prod(t.shape) - _held_bytes(t, "auto") for t in packed)


def token_bytes(spec: BodySpec, value_bytes: int = 4) -> int:
    """Return the bytes of one token's keys and values over all layers; of a body with states, its
    share of what is kept to go back to.
    """
    if spec.ttt is not None:
        return max(1, spec.state_floats * STATE_COPIES * value_bytes // STATE_EVERY)
    return 2 * spec.n_layers * spec.d_kv * value_bytes


def scratch_bytes(spec: BodySpec, context: int) -> int:
    """Return what the process needs besides weights and conversations."""
    widths = 4 * spec.d_model + 2 * spec.d_q + 2 * spec.d_kv + 3 * spec.d_ff
    scores = (spec.n_heads + 1) * context
    return (
        RUNTIME_BYTES + UNPACKED_BYTES + 4 * (PREFILL_TOKENS * (widths + scores) + spec.vocab_size)
    )


def count_conversations(free_bytes: int, conversation_bytes: int, wanted: int) -> int:
    """Return how many full conversations there is memory for: one to ``wanted``."""
    return min(max(free_bytes // conversation_bytes, 1), wanted)


def _held_bytes(tensor: StoredTensor, dtype: Dtype) -> int:
    weights = 1
    for size in tensor.shape:
        weights *= size
    if len(tensor.shape) == 1:
        return 4 * weights
    if tensor.dtype == bases.SCALES:
        return 0  # they lie in the rows of their matrix
    if tensor.bases:
        rows, cols = tensor.shape
        return rows * bases.row_bytes(tensor.bases, cols)
    if tensor.is_ternary:
        rows, cols = tensor.shape
        return rows * row_bytes(cols)
    if tensor.dtype in _STORED_FLOAT_BYTES:
        return weights * FLOAT_BYTES.get(dtype, _STORED_FLOAT_BYTES[tensor.dtype])
    return int(weights * (_Q4_1_BITS if tensor.dtype in _HELD_AS_Q4_1 else _Q8_0_BITS) / 8)
