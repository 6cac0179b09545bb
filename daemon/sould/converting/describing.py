"""What a Hugging Face folder says of a body beside its weights: config and tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sould.engine.bodies import FAMILIES
from sould.engine.bodies.rope import DEFAULT_THETA, GGUF_FACTORS
from sould.engine.bodyfile import BodyFile
from sould.engine.formats.bases import GROUP, METHOD
from sould.engine.formats.gguf_file import GgufFile
from sould.engine.formats.settings import read_json
from sould.engine.spec import BodySpec
from sould.engine.tokenizer import Tokenizer

# Of Llama 3.1 and later, whose GGUF files have the finished factors: what they are made by.
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
_COPIED = ("generation_config.json", "tokenizer_config.json")


def sidecars(body: BodyFile, n: int) -> dict[str, bytes]:
    """Return the files beside the weights of ``body`` with ``n`` bases, by their names."""
    quantisation = {"quant_method": METHOD, "bases": n, "group_size": GROUP}
    if body.gguf is None:
        folder = body.tokenizer_json.parent
        config = dict(read_json(folder / "config.json"))
        files = {name: (folder / name).read_bytes() for name in _COPIED if _is_there(body, name)}
        files["tokenizer.json"] = body.tokenizer_json.read_bytes()
    else:
        config = {**config_of(body.gguf, body.spec, body.family), **_ends(body)}
        files = {"tokenizer_config.json": _json(_tokenizer_config(body))}
        files["tokenizer.json"] = Tokenizer.of(body).backend.to_str().encode()
    if body.chat_template is not None:
        files["chat_template.jinja"] = body.chat_template.encode()
    return {"config.json": _json({**config, "quantization_config": quantisation}), **files}


def config_of(file: GgufFile, spec: BodySpec, family: str) -> dict[str, Any]:
    """Return the config.json of a GGUF body; whether it says the same is seen when it is read."""
    config: dict[str, Any] = {
        "model_type": FAMILIES[family].hf_model_type,
        "vocab_size": spec.vocab_size,
        "hidden_size": spec.d_model,
        "intermediate_size": spec.d_ff,
        "num_hidden_layers": spec.n_layers,
        "num_attention_heads": spec.n_heads,
        "num_key_value_heads": spec.n_kv_heads,
        "head_dim": spec.head_dim,
        "hidden_act": spec.activation,
        "rms_norm_eps": spec.norm_eps,
        "max_position_embeddings": spec.context_max,
        "attention_bias": spec.o_bias,
        "mlp_bias": spec.mlp_bias,
        "tie_word_embeddings": spec.tied,
        **_rope(file, spec),
    }
    if family == "mistral":
        config["sliding_window"] = spec.windows[0] if spec.windows else None
    elif spec.windows:
        kinds = ["sliding_attention" if window else "full_attention" for window in spec.windows]
        config |= {"use_sliding_window": True, "sliding_window": max(spec.windows)}
        config["layer_types"] = kinds
    return config


def _rope(file: GgufFile, spec: BodySpec) -> dict[str, Any]:
    keys = file.metadata.under(file.metadata.text("general.architecture") + ".")
    theta = keys.number("rope.freq_base", default=DEFAULT_THETA, low=1.0, high=1e12)
    if GGUF_FACTORS in file.tensors:
        factor = max(file.read_vector(GGUF_FACTORS))
        return {
            "rope_theta": theta,
            "rope_scaling": {"rope_type": "llama3", "factor": factor} | LLAMA3,
        }
    kind = keys.text("rope.scaling.type", default="none")
    key = "rope.scaling.factor" if "rope.scaling.factor" in keys else "rope.scale_linear"
    if kind == "none" and key not in keys:
        return {"rope_theta": theta}
    scaling = {
        "rope_type": "linear" if kind == "none" else kind,
        "factor": keys.number(key, default=1.0, low=1e-3, high=1e6),
    }
    if kind == "yarn":
        scaling |= {
            "original_max_position_embeddings": keys.integer(
                "rope.scaling.original_context_length", default=spec.context_max, high=1 << 24
            ),
            "attention_factor": spec.rope_scale,
            "beta_fast": keys.number("rope.scaling.yarn_beta_fast", default=32.0, low=0, high=1e6),
            "beta_slow": keys.number("rope.scaling.yarn_beta_slow", default=1.0, low=0, high=1e6),
        }
    return {"rope_theta": theta, "rope_scaling": scaling}


def _ends(body: BodyFile) -> dict[str, Any]:
    return {"bos_token_id": body.special.bos, "eos_token_id": sorted(body.special.eos)}


def _tokenizer_config(body: BodyFile) -> Mapping[str, Any]:
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": body.special.add_bos}
    return {**settings, **body.special.texts, "clean_up_tokenization_spaces": False}


def _is_there(body: BodyFile, name: str) -> bool:
    return (body.tokenizer_json.parent / name).is_file()


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()
