"""Which tensors a TTT layer has, by role."""

from __future__ import annotations

from sould.engine.spec import BodySpec, TttSpec

CONV_TAPS = 4
TERNARY = ("narrow", "widen", "query", "key", "value", "answer", "gate", "up", "down")


def ttt_layer_shapes(spec: BodySpec, ttt: TttSpec) -> dict[str, tuple[int, ...]]:
    """Return every role of a layer with the shape its tensor must have."""
    d, d_ff, h, e = spec.d_model, spec.d_ff, spec.n_heads, spec.head_dim
    layer: dict[str, tuple[int, ...]] = {"norm1": (d,), "norm2": (d,)}
    if ttt.rule == "reconstruct":
        layer |= {"narrow": (e, d), "widen": (d, e)}
    else:
        layer |= dict.fromkeys(("query", "key", "value", "answer"), (d, d))
        layer |= {"answer_norm": (d,), "rate": (h, d), "rate_bias": (h,), "conv": (d, CONV_TAPS)}
        layer |= {"inner_scale": (h, e), "inner_shift": (h, e), "state": (h, e, e)}
    return layer | {"gate": (d_ff, d), "up": (d_ff, d), "down": (d, d_ff)}
