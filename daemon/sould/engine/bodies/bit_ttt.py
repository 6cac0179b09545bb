"""Bit-TTT: ternary weights, and in place of attention a state that learns while it reads.

Two rules of learning (``sould.engine.native``): ``reconstruct`` is the original engine's, whose
files have no ``model_type`` and several names for the same sizes; ``ttt_linear`` is that of the
bodies which are trained here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sould.engine.bodies.common import MAX_LAYERS, MAX_VOCABULARY, MAX_WIDTH, Family
from sould.engine.formats.settings import Settings
from sould.engine.spec import BodySpec, TttSpec

KEY = "bit_ttt"
RECONSTRUCT, TTT_LINEAR = "reconstruct", "ttt_linear"

HIDDEN = ("hidden_dim", "hidden_size")
LAYERS = ("num_layers", "n_layers", "num_hidden_layers")
HEADS = ("num_heads", "num_attention_heads")
FF = ("intermediate_dim", "intermediate_size")
NORM_EPS = 1e-5  # where a config.json names none
INNER_LR = 0.0  # of the original, where a config.json names none
KNOWN_CONTEXT = 1 << 15  # of a recurrent body: where replies are cut, not what it can read
MAX_INNER_LR = 10.0
MAX_MINI_BATCH = 1024
FF_SHARE, STATE_SHARE = 4, 4  # of the original: d_ff = 4 D unless told, a state of D/4

NAMES: Mapping[str, str] = {
    "embed": "embed.weight",
    "final_norm": "norm_f.weight",
    "head": "lm_head.weight",
    "norm1": "layers.{i}.norm1.weight",
    "norm2": "layers.{i}.norm2.weight",
    "gate": "layers.{i}.mlp.gate_proj.weight",
    "up": "layers.{i}.mlp.up_proj.weight",
    "down": "layers.{i}.mlp.down_proj.weight",
    "narrow": "layers.{i}.ttt.down.weight",
    "widen": "layers.{i}.ttt.up.weight",
    "query": "layers.{i}.ttt.query.weight",
    "key": "layers.{i}.ttt.key.weight",
    "value": "layers.{i}.ttt.value.weight",
    "answer": "layers.{i}.ttt.answer.weight",
    "answer_norm": "layers.{i}.ttt.answer_norm.weight",
    "rate": "layers.{i}.ttt.rate.weight",
    "rate_bias": "layers.{i}.ttt.rate.bias",
    "conv": "layers.{i}.ttt.conv",
    "inner_scale": "layers.{i}.ttt.inner_scale",
    "inner_shift": "layers.{i}.ttt.inner_shift",
    "state": "layers.{i}.ttt.state",
}


def is_original(config: Settings) -> bool:
    """Tell a config.json of the original engine: it does not say what it is."""
    return "model_type" not in config and any(
        key in config for key in ("hidden_dim", "inner_lr", "arch")
    )


def architecture(spec: BodySpec) -> dict[str, Any]:
    """Return what makes a body of this family, for its fingerprint: never other keys than these,
    so that fingerprints stay as they are.
    """
    assert spec.ttt is not None
    keys = ("vocab_size", "d_model", "n_layers", "n_heads", "head_dim", "d_ff", "tied")
    sizes = {key: getattr(spec, key) for key in keys}
    ttt = {key: getattr(spec.ttt, key) for key in ("rule", "inner_lr", "mini_batch")}
    eps = {} if spec.norm_eps == NORM_EPS else {"norm_eps": spec.norm_eps}
    return sizes | ttt | eps


def spec_from_hf(config: Settings) -> BodySpec:
    """Read a config.json of ours, or of any version of the original engine.

    Raises:
        BodyInvalid: a size is missing or out of bounds, or it is no body of TTT layers.
    """
    arch = config.text("arch", default="ttt")
    if arch != "ttt":
        raise config.fault(f"'arch' is {arch!r}: only bodies of TTT layers are read in this format")
    rule = config.text("rule", default=RECONSTRUCT)
    if rule == RECONSTRUCT:
        return _reconstruct(config)
    if rule == TTT_LINEAR:
        return _ttt_linear(config)
    raise config.fault(f"'rule' is {rule!r}, known are {RECONSTRUCT} and {TTT_LINEAR}")


def _reconstruct(config: Settings) -> BodySpec:
    d_model = _first(config, HIDDEN, MAX_WIDTH)
    if d_model % STATE_SHARE:
        raise config.fault(f"a width of {d_model} is no multiple of {STATE_SHARE}")
    inner_lr = config.number("inner_lr", default=INNER_LR, low=0.0, high=MAX_INNER_LR)
    if inner_lr >= 2.0:
        raise config.fault(f"'inner_lr' is {inner_lr:g}: from 2 on the state diverges")
    activation = config.text("activation", default="SiLU")
    if activation != "SiLU":
        raise config.fault(f"'activation' is {activation!r}: only SiLU is computed here")
    ttt = TttSpec(rule="reconstruct", inner_lr=inner_lr)
    return _spec(config, ttt, d_model, n_heads=1, head_dim=d_model // STATE_SHARE)


def _ttt_linear(config: Settings) -> BodySpec:
    d_model, n_heads = _first(config, HIDDEN, MAX_WIDTH), _first(config, HEADS, MAX_WIDTH)
    if d_model % n_heads:
        raise config.fault(f"a width of {d_model} cannot be shared by {n_heads} heads evenly")
    ttt = TttSpec(
        rule="ttt_linear",
        inner_lr=config.number("inner_lr", low=0.0, high=MAX_INNER_LR),
        mini_batch=config.integer("mini_batch", low=1, high=MAX_MINI_BATCH),
    )
    return _spec(config, ttt, d_model, n_heads=n_heads, head_dim=d_model // n_heads)


def _spec(config: Settings, ttt: TttSpec, d_model: int, *, n_heads: int, head_dim: int) -> BodySpec:
    return BodySpec(
        family=KEY,
        vocab_size=config.integer("vocab_size", low=1, high=MAX_VOCABULARY),
        d_model=d_model,
        n_layers=_first(config, LAYERS, MAX_LAYERS),
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=head_dim,
        d_ff=_first(config, FF, MAX_WIDTH, default=FF_SHARE * d_model),
        norm_eps=config.number("rms_norm_eps", default=NORM_EPS, low=0.0, high=1.0),
        inv_freq=(),
        context_max=config.integer(
            "max_position_embeddings", default=KNOWN_CONTEXT, low=1, high=1 << 24
        ),
        tied=config.flag("tie_word_embeddings", default=False),
        ttt=ttt,
    )


def _first(
    config: Settings, names: tuple[str, ...], high: int, *, default: int | None = None
) -> int:
    """Return the size that has one of several names.

    Raises:
        BodyInvalid: it has none and there is no ``default``, or it is out of bounds.
    """
    name = next((one for one in names if one in config), names[0])
    return config.integer(name, default=default, low=1, high=high)


FAMILY = Family(
    key=KEY,
    hf_model_type=KEY,
    gguf_architectures=(),
    gguf_rows_interleaved=False,
    hf_names=NAMES,
    gguf_names={},
    spec_from_hf=spec_from_hf,
)
