"""The tiny random body of ``tiny_body`` as a GGUF file, written with the ``gguf`` package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType, quants

from tests.fakes.tiny_bitnet import ternary_of
from tests.fakes.tiny_body import (
    CHAT_TEMPLATE,
    IM_END,
    IM_START,
    SPECIAL,
    byte_alphabet,
    tiny_config,
    tiny_tensors,
)

GGUF_VOCABULARY = 256 + len(SPECIAL) + 1
GGUF_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
GGUF_PARTS = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.attn_sub_norm": "attn_sub_norm",
    "mlp.ffn_sub_norm": "ffn_sub_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_tiny_gguf(
    path: Path,
    family: str = "llama",
    *,
    kind: str = "F32",
    seed: int = 0,
    extra: dict[str, Any] | None = None,
    extra_tensors: dict[str, np.ndarray] | None = None,
    chat_template: str | None = CHAT_TEMPLATE,
    **config: Any,
) -> Path:
    """Write to ``path`` the body that ``write_tiny_body`` writes for the same arguments.

    Its vocabulary has one token more, "he" (give ``vocab_size=GGUF_VOCABULARY`` there), as
    GGUF cannot say that there are no merges.
    ``kind``: GGML type of the matrices, one that ``gguf`` can quantise to; of bitnet that of the
    layers', which are ternary, and the embedding is F32. ``extra``: more
    metadata, or other values for what is written anyway (whole keys, None leaves one out).
    """
    full = tiny_config(family, **{"vocab_size": GGUF_VOCABULARY} | config)
    architecture = "llama" if family == "mistral" else family
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in (_metadata(architecture, full, chat_template) | (extra or {})).items():
        _add(writer, key, value)
    for name, tensor in tiny_tensors(full, seed=seed).items():
        if architecture == "llama":
            tensor = _interleaved(name, tensor, full)
        if family == "bitnet" and name.endswith("_proj.weight"):
            signs, scale = ternary_of(tensor)
            _add_tensor(writer, gguf_name(name), signs * scale, kind)
            continue
        _add_tensor(writer, gguf_name(name), tensor, "F32" if family == "bitnet" else kind)
    for name, tensor in (extra_tensors or {}).items():
        _add_tensor(writer, name, tensor, "F32")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def gguf_name(hf_name: str) -> str:
    """Return the GGUF name of a Hugging Face tensor."""
    if hf_name in GGUF_NAMES:
        return GGUF_NAMES[hf_name]
    _, _, i, rest = hf_name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"blk.{i}.{GGUF_PARTS[part]}.{kind}"


def _metadata(architecture: str, config: dict[str, Any], template: str | None) -> dict[str, Any]:
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    sizes = {
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.key_length": head_dim,
        "attention.value_length": head_dim,
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "rope.freq_base": config["rope_theta"],
    }
    return {f"{architecture}.{key}": value for key, value in sizes.items()} | {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": [*byte_alphabet(), *SPECIAL, "he"],
        "tokenizer.ggml.token_type": [1] * 256 + [3] * len(SPECIAL) + [1],
        "tokenizer.ggml.merges": ["h e"],
        "tokenizer.ggml.bos_token_id": IM_START,
        "tokenizer.ggml.eos_token_id": IM_END,
        "tokenizer.chat_template": template,
    }


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if value is None:
        return
    adders: dict[type, Callable[[str, Any], None]] = {
        str: writer.add_string,
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        list: writer.add_array,
    }
    adders[type(value)](key, value)


def _add_tensor(writer: gguf.GGUFWriter, name: str, tensor: np.ndarray, kind: str) -> None:
    if kind == "F32" or tensor.ndim == 1:
        writer.add_tensor(name, tensor)
        return
    dtype = GGMLQuantizationType[kind]
    writer.add_tensor(name, quants.quantize(tensor, dtype), raw_dtype=dtype)


def _interleaved(name: str, tensor: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """Reorder q and k as llama.cpp's converter does: rotary pairs next to each other."""
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    part = name.split(".")[-2]
    if part not in heads:
        return tensor
    n_heads = config[heads[part]]
    halves = tensor.reshape(n_heads, 2, -1, *tensor.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(tensor.shape)
