"""Rotary frequencies: plain, linear (Chen 2023), Llama 3.1, YaRN (arXiv:2309.00071).

A pair i of a head turns by ``inv_freq[i]`` radians per token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sould.engine.formats.gguf_file import GgufFile
from sould.engine.formats.settings import Settings

DEFAULT_THETA = 10000.0
MAX_CONTEXT = 1 << 24
GGUF_FACTORS = "rope_freqs.weight"


@dataclass(frozen=True)
class Rope:
    """Frequencies with scaling applied, the factor on cos and sin, and the context they allow."""

    inv_freq: tuple[float, ...]
    scale: float
    context_max: int


def rope_from_hf(config: Settings, head_dim: int) -> Rope:
    """Read ``rope_theta`` and ``rope_scaling``, or ``rope_parameters``, which replaces both.

    Raises:
        BodyInvalid: a scaling other than linear, llama3 or yarn, or a value out of bounds.
    """
    context = config.integer("max_position_embeddings", low=1, high=MAX_CONTEXT)
    key = "rope_scaling" if "rope_scaling" in config else "rope_parameters"
    rope = config.section(key)
    theta_source = rope if "rope_theta" in rope else config
    theta = theta_source.number("rope_theta", default=DEFAULT_THETA, low=1.0, high=1e12)
    for source in (rope, config):
        if source.number("partial_rotary_factor", default=1.0, low=0.0, high=1.0) != 1.0:
            raise config.fault("'partial_rotary_factor' other than 1 is not supported")
    kind = rope.text("type" if "rope_type" not in rope else "rope_type", default="default")
    base = _plain(theta, head_dim)
    if kind == "default":
        return Rope(base, 1.0, context)
    if kind not in ("linear", "llama3", "yarn"):
        raise config.fault(f"rope scaling {kind!r} is not supported (linear, llama3 and yarn are)")
    if kind == "linear":
        factor = rope.number("factor", low=1e-3, high=1e6)
        return Rope(tuple(f / factor for f in base), 1.0, context)
    source = config if "original_max_position_embeddings" in config else rope
    original = source.integer(
        "original_max_position_embeddings", default=context, low=1, high=MAX_CONTEXT
    )
    if kind == "llama3":
        return Rope(_llama3(base, rope, original), 1.0, context)
    factor = rope.number("factor", default=context / original, low=1.0, high=1e6)
    scale = rope.number("attention_factor", default=_hf_mscale(rope, factor), low=1e-3, high=1e3)
    fast = rope.number("beta_fast", default=32.0, low=1e-3, high=1e6)
    slow = rope.number("beta_slow", default=1.0, low=1e-3, high=1e6)
    truncate = rope.flag("truncate", default=True)
    ramp = _yarn_ramp(head_dim, theta, original, fast, slow, truncate)
    return Rope(_yarn(base, factor, ramp), scale, max(context, int(original * factor)))


def rope_from_gguf(file: GgufFile, metadata: Settings, head_dim: int) -> Rope:
    """Read the ``rope.*`` keys and, where present, the per-frequency factors (Llama 3.1).

    Raises:
        BodyInvalid: a scaling other than linear or yarn, partial rotation, or out of bounds.
    """
    context = metadata.integer("context_length", low=1, high=MAX_CONTEXT)
    if metadata.integer("rope.dimension_count", default=head_dim, high=1 << 20) != head_dim:
        raise metadata.fault(f"rotates only a part of each head of {head_dim}: not supported")
    theta = metadata.number("rope.freq_base", default=DEFAULT_THETA, low=1.0, high=1e12)
    base = _plain(theta, head_dim)
    if GGUF_FACTORS in file.tensors:
        base = _divided(base, file, metadata)
    default = "linear" if "rope.scale_linear" in metadata else "none"
    kind = metadata.text("rope.scaling.type", default=default)
    if kind == "none":
        return Rope(base, 1.0, context)
    if kind not in ("linear", "yarn"):
        raise metadata.fault(f"rope scaling {kind!r} is not supported (linear and yarn are)")
    key = "rope.scaling.factor" if "rope.scaling.factor" in metadata else "rope.scale_linear"
    factor = metadata.number(key, default=1.0, low=1e-3, high=1e6)
    if kind == "linear":
        return Rope(tuple(f / factor for f in base), 1.0, context)
    original = metadata.integer(
        "rope.scaling.original_context_length", default=context, low=1, high=MAX_CONTEXT
    )
    scale = metadata.number("rope.scaling.attn_factor", default=1.0, low=1e-3, high=1e3)
    fast = metadata.number("rope.scaling.yarn_beta_fast", default=32.0, low=1e-3, high=1e6)
    slow = metadata.number("rope.scaling.yarn_beta_slow", default=1.0, low=1e-3, high=1e6)
    ramp = _yarn_ramp(head_dim, theta, original, fast, slow, truncate=True)
    return Rope(_yarn(base, factor, ramp), scale * _mscale(factor), context)


def _plain(theta: float, head_dim: int) -> tuple[float, ...]:
    return tuple(theta ** (-2 * i / head_dim) for i in range(head_dim // 2))


def _divided(base: tuple[float, ...], file: GgufFile, metadata: Settings) -> tuple[float, ...]:
    factors = file.read_vector(GGUF_FACTORS)
    if len(factors) != len(base) or not all(0 < f < math.inf for f in factors):
        raise metadata.fault(f"{GGUF_FACTORS!r} is not {len(base)} positive numbers")
    return tuple(f / factor for f, factor in zip(base, factors, strict=True))


def _llama3(base: tuple[float, ...], rope: Settings, original: int) -> tuple[float, ...]:
    """Slow the long waves down by ``factor``, leave the short ones, blend in between."""
    factor = rope.number("factor", low=1e-3, high=1e6)
    low = rope.number("low_freq_factor", low=1e-3, high=1e6)
    high = rope.number("high_freq_factor", low=1e-3, high=1e6)
    if high <= low:
        raise rope.fault(f"'high_freq_factor' {high:g} is not above 'low_freq_factor' {low:g}")

    def scaled(frequency: float) -> float:
        turns = original * frequency / (2 * math.pi)
        keep = min(max((turns - low) / (high - low), 0.0), 1.0)
        return frequency * (keep + (1 - keep) / factor)

    return tuple(scaled(f) for f in base)


def _yarn(base: tuple[float, ...], factor: float, ramp: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(f * ((1 - r) + r / factor) for f, r in zip(base, ramp, strict=True))


def _yarn_ramp(
    head_dim: int, theta: float, original: int, fast: float, slow: float, truncate: bool
) -> tuple[float, ...]:
    """Return how much each pair is interpolated: 0 for fast pairs, 1 for slow ones."""

    def pair_of(turns: float) -> float:
        if theta == 1.0:
            return 0.0
        return head_dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair_of(fast), pair_of(slow)
    if truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, head_dim - 1)
    if low == high:
        high += 0.001  # as in the reference: no division by zero
    return tuple(min(max((i - low) / (high - low), 0.0), 1.0) for i in range(head_dim // 2))


def _mscale(factor: float, weight: float = 1.0) -> float:
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0


def _hf_mscale(rope: Settings, factor: float) -> float:
    weight = rope.number("mscale", default=0.0, low=0.0, high=1e3)
    weight_all = rope.number("mscale_all_dim", default=0.0, low=0.0, high=1e3)
    if weight and weight_all:
        return _mscale(factor, weight) / _mscale(factor, weight_all)
    return _mscale(factor)
