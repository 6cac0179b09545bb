"""What the families share: names of tensors, and reading the sizes they all have.

A *role* is the place of a tensor in ``BodyWeights``: "embed", "final_norm", "head",
"layers.3.q_bias". A family maps roles to the names its files use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sould.engine.bodies.rope import rope_from_gguf, rope_from_hf
from sould.engine.bodies.ttt_shapes import ttt_layer_shapes
from sould.engine.formats import bases
from sould.engine.formats.gguf_file import GgufFile
from sould.engine.formats.settings import Settings
from sould.engine.formats.ternary import MATRICES
from sould.engine.spec import Activation, BodySpec, TernaryForm

MAX_LAYERS = 1024
MAX_WIDTH = 1 << 20
MAX_VOCABULARY = 1 << 22
MAX_HEAD_DIM = 1024
TERNARY_FORMS: Mapping[tuple[str, str], TernaryForm] = {  # linear class, quantization mode
    ("autobitlinear", "online"): "master",
    ("autobitlinear", "offline"): "scale",
    ("bitlinear", "offline"): "inverse_scale",
}

HF_NAMES: Mapping[str, str] = {
    "embed": "model.embed_tokens.weight",
    "final_norm": "model.norm.weight",
    "head": "lm_head.weight",
    "attn_norm": "model.layers.{i}.input_layernorm.weight",
    "mlp_norm": "model.layers.{i}.post_attention_layernorm.weight",
    "q_norm": "model.layers.{i}.self_attn.q_norm.weight",
    "k_norm": "model.layers.{i}.self_attn.k_norm.weight",
    "attn_sub_norm": "model.layers.{i}.self_attn.attn_sub_norm.weight",
    "mlp_sub_norm": "model.layers.{i}.mlp.ffn_sub_norm.weight",
} | {
    role + suffix: f"model.layers.{{i}}.{module}.{role}_proj.{kind}"
    for suffix, kind in (
        ("", "weight"),
        ("_bias", "bias"),
        ("_scale", "weight_scale"),
        ("_inverse_scale", "weight_scale"),
        (bases.SCALES_SUFFIX, "weight_scales"),
    )
    for module, roles in (("self_attn", "qkvo"), ("mlp", ("gate", "up", "down")))
    for role in roles
}

_GGUF_MATRICES = {
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}
GGUF_NAMES: Mapping[str, str] = {
    "embed": "token_embd.weight",
    "final_norm": "output_norm.weight",
    "head": "output.weight",
    "attn_norm": "blk.{i}.attn_norm.weight",
    "mlp_norm": "blk.{i}.ffn_norm.weight",
    "q_norm": "blk.{i}.attn_q_norm.weight",
    "k_norm": "blk.{i}.attn_k_norm.weight",
    "attn_sub_norm": "blk.{i}.attn_sub_norm.weight",
    "mlp_sub_norm": "blk.{i}.ffn_sub_norm.weight",
} | {
    role + suffix: f"blk.{{i}}.{name}.{kind}"
    for suffix, kind in (("", "weight"), ("_bias", "bias"))
    for role, name in _GGUF_MATRICES.items()
}


@dataclass(frozen=True, kw_only=True)
class Family:
    """What a module of this package says about its family.

    ``gguf_rows_interleaved``: q and k rows of its GGUF files pair (2i, 2i+1) for rotation.
    ``gguf_is_ternary``: what goes into ternary matrices of its GGUF files is rounded to int8.
    """

    key: str
    hf_model_type: str
    gguf_architectures: tuple[str, ...]
    gguf_rows_interleaved: bool
    hf_names: Mapping[str, str]
    gguf_names: Mapping[str, str]
    spec_from_hf: Callable[[Settings], BodySpec]
    gguf_is_ternary: bool = False


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which optional parts the layers of a body have, and what they compute with them."""

    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    activation: Activation = "silu"
    sub_norms: bool = False


def spec_from_hf(
    config: Settings, family: str, parts: Parts, *, windows: tuple[int, ...] = ()
) -> BodySpec:
    """Read the sizes every config.json of these families has.

    Raises:
        BodyInvalid: a key is missing, out of bounds, or asks for something not supported.
    """
    activation = config.text("hidden_act", default=parts.activation)
    if activation != parts.activation:
        raise config.fault(f"activation {activation!r} is not supported ({parts.activation} is)")
    ternary, n_bases = _quantisation(config)
    d_model = config.integer("hidden_size", low=1, high=MAX_WIDTH)
    n_heads = config.integer("num_attention_heads", low=1, high=MAX_WIDTH)
    head_dim = config.integer("head_dim", default=d_model // n_heads, high=MAX_HEAD_DIM)
    rope = rope_from_hf(config, _checked_head_dim(config, head_dim))
    return BodySpec(
        family=family,
        vocab_size=config.integer("vocab_size", low=1, high=MAX_VOCABULARY),
        d_model=d_model,
        n_layers=count_layers(config),
        n_heads=n_heads,
        n_kv_heads=_kv_heads(config, "num_key_value_heads", n_heads),
        head_dim=head_dim,
        d_ff=config.integer("intermediate_size", low=1, high=MAX_WIDTH),
        norm_eps=config.number("rms_norm_eps", default=1e-6, low=0.0, high=1.0),
        inv_freq=rope.inv_freq,
        rope_scale=rope.scale,
        context_max=rope.context_max,
        windows=windows,
        qkv_bias=parts.qkv_bias,
        o_bias=parts.o_bias,
        mlp_bias=parts.mlp_bias,
        qk_norm=parts.qk_norm,
        activation=parts.activation,
        sub_norms=parts.sub_norms,
        ternary=ternary,
        bases=n_bases,
        tied=config.flag("tie_word_embeddings", default=False),
    )


def spec_from_gguf(file: GgufFile, family: Family) -> BodySpec:
    """Read the sizes from the metadata; optional parts are there if their tensors are.

    Raises:
        BodyInvalid: a key is missing, out of bounds, or asks for something not supported.
    """
    metadata = file.metadata.under(file.metadata.text("general.architecture") + ".")
    if metadata.integer("expert_count", default=0, high=MAX_WIDTH):
        raise metadata.fault("is a mixture of experts: not supported")
    d_model = metadata.integer("embedding_length", low=1, high=MAX_WIDTH)
    n_heads = metadata.integer("attention.head_count", low=1, high=MAX_WIDTH)
    head_dim = _gguf_head_dim(metadata, d_model // n_heads)
    n_layers = metadata.integer("block_count", low=1, high=MAX_LAYERS)
    window = metadata.integer("attention.sliding_window", default=0, high=MAX_WIDTH * 16)
    rope = rope_from_gguf(file, metadata, head_dim)
    embed = file.tensors.get(GGUF_NAMES["embed"])

    def has(role: str) -> bool:
        return GGUF_NAMES[role].format(i=0) in file.tensors

    return BodySpec(
        family=family.key,
        vocab_size=embed.shape[0] if embed else 1,  # its absence is reported with the tensors
        d_model=d_model,
        n_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=_kv_heads(metadata, "attention.head_count_kv", n_heads),
        head_dim=head_dim,
        d_ff=metadata.integer("feed_forward_length", low=1, high=MAX_WIDTH),
        norm_eps=metadata.number("attention.layer_norm_rms_epsilon", low=0.0, high=1.0),
        inv_freq=rope.inv_freq,
        rope_scale=rope.scale,
        context_max=rope.context_max,
        windows=(window,) * n_layers if window else (),
        qkv_bias=has("q_bias"),
        o_bias=has("o_bias"),
        mlp_bias=has("gate_bias"),
        qk_norm=has("q_norm"),
        sub_norms=has("attn_sub_norm"),
        ternary="blocks" if family.gguf_is_ternary else None,
        tied=not has("head"),
    )


def _quantisation(config: Settings) -> tuple[TernaryForm | None, int]:
    """Return how ternary matrices are stored, or of how many ternary ones each is a sum.

    Raises:
        BodyInvalid: they are quantised in another way, or not all of them are.
    """
    if "quantization_config" not in config:
        return None, 0
    how = config.section("quantization_config")
    method = how.text("quant_method", default="unknown")
    if method == bases.METHOD:
        return None, bases.bases_of(how)
    if method == "bitnet":
        return _ternary_form(config, how), 0
    raise config.fault(f"weights quantised with {method!r} are not supported; use a GGUF")


def _ternary_form(config: Settings, how: Settings) -> TernaryForm:
    """Return how matrices quantised as BitNet's are stored, as transformers does it for any family.

    Raises:
        BodyInvalid: in no way that is known, or not all of them are.
    """
    linear = how.text("linear_class", default="bitlinear")
    mode = how.text("quantization_mode", default="offline")
    form = TERNARY_FORMS.get((linear, mode))
    if form is None:
        raise config.fault(f"quantization {linear!r}, {mode!r} is not supported")
    if how.flag("use_rms_norm", default=False):
        raise config.fault("'quantization_config.use_rms_norm' is not supported")
    kept = how.texts("modules_to_not_convert") if "modules_to_not_convert" in how else ["lm_head"]
    if kept != ["lm_head"]:
        raise config.fault(
            f"'quantization_config.modules_to_not_convert' is {kept}, supported is ['lm_head']"
        )
    return form


def count_layers(config: Settings) -> int:
    return config.integer("num_hidden_layers", low=1, high=MAX_LAYERS)


def layer_windows(config: Settings) -> tuple[int, ...]:
    """Return the attention windows of a Qwen config, whose layers differ."""
    if not config.flag("use_sliding_window", default=False) or "sliding_window" not in config:
        return ()
    window = config.integer("sliding_window", low=1, high=1 << 24)
    n_layers = count_layers(config)
    if "layer_types" in config:
        kinds = config.texts("layer_types")
        if len(kinds) != n_layers or not set(kinds) <= {"sliding_attention", "full_attention"}:
            raise config.fault("'layer_types' does not name a known kind for every layer")
        return tuple(window if kind == "sliding_attention" else 0 for kind in kinds)
    first = config.integer("max_window_layers", default=28, high=1 << 24)
    return tuple(window if i >= first else 0 for i in range(n_layers))


def expected_shapes(spec: BodySpec) -> dict[str, tuple[int, ...]]:
    """Return every role of a body of this spec with the shape its tensor must have."""
    d = spec.d_model
    layer = _layer_shapes(spec) if spec.ttt is None else ttt_layer_shapes(spec, spec.ttt)
    shapes: dict[str, tuple[int, ...]] = {"embed": (spec.vocab_size, d), "final_norm": (d,)}
    if not spec.tied:
        shapes["head"] = (spec.vocab_size, d)
    for i in range(spec.n_layers):
        shapes |= {f"layers.{i}.{role}": shape for role, shape in layer.items()}
    return shapes


def _layer_shapes(spec: BodySpec) -> dict[str, tuple[int, ...]]:
    """Return every role of a transformer's layer with the shape its tensor must have."""
    d, d_q, d_kv, d_ff = spec.d_model, spec.d_q, spec.d_kv, spec.d_ff
    layer: dict[str, tuple[int, ...]] = {
        "attn_norm": (d,),
        "q": (d_q, d),
        "k": (d_kv, d),
        "v": (d_kv, d),
        "o": (d, d_q),
        "mlp_norm": (d,),
        "gate": (d_ff, d),
        "up": (d_ff, d),
        "down": (d, d_ff),
    }
    if spec.qkv_bias:
        layer |= {"q_bias": (d_q,), "k_bias": (d_kv,), "v_bias": (d_kv,)}
    if spec.o_bias:
        layer |= {"o_bias": (d,)}
    if spec.mlp_bias:
        layer |= {"gate_bias": (d_ff,), "up_bias": (d_ff,), "down_bias": (d,)}
    if spec.qk_norm:
        layer |= {"q_norm": (spec.head_dim,), "k_norm": (spec.head_dim,)}
    if spec.sub_norms:
        layer |= {"attn_sub_norm": (d_q,), "mlp_sub_norm": (d_ff,)}
    if spec.ternary in ("scale", "inverse_scale"):
        layer |= {f"{role}_{spec.ternary}": (1,) for role in MATRICES}
    if spec.bases:
        scales = {role: bases.scales_shape(spec.bases, *_pair(layer[role])) for role in MATRICES}
        layer |= {role + bases.SCALES_SUFFIX: shape for role, shape in scales.items()}
    return layer


def _pair(shape: tuple[int, ...]) -> tuple[int, int]:
    rows, cols = shape
    return rows, cols


def stored_name(names: Mapping[str, str], role: str) -> str:
    """Return the name a file gives the tensor of ``role``."""
    if role.startswith("layers."):
        _, i, part = role.split(".")
        return names[part].format(i=i)
    return names[role]


def _kv_heads(settings: Settings, key: str, n_heads: int) -> int:
    n_kv_heads = settings.integer(key, default=n_heads, low=1, high=n_heads)
    if n_heads % n_kv_heads:
        raise settings.fault(f"{n_heads} heads cannot share {n_kv_heads} keys and values evenly")
    return n_kv_heads


def _gguf_head_dim(metadata: Settings, default: int) -> int:
    head_dim = metadata.integer("attention.key_length", default=default, high=MAX_HEAD_DIM)
    if metadata.integer("attention.value_length", default=head_dim, high=MAX_WIDTH) != head_dim:
        raise metadata.fault("has values and keys of different widths: not supported")
    return _checked_head_dim(metadata, head_dim)


def _checked_head_dim(settings: Settings, head_dim: int) -> int:
    if head_dim < 2 or head_dim % 2:
        raise settings.fault(f"has heads of width {head_dim}; rotary embedding needs an even one")
    return head_dim
