"""A tiny random body in the Hugging Face folder form, written without torch or transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
END_OF_TEXT, IM_START, IM_END = 256, 257, 258

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "bitnet": "BitNetForCausalLM",
}

MASTER_WEIGHTS = {
    "quant_method": "bitnet",
    "linear_class": "autobitlinear",
    "quantization_mode": "online",
}

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write_tiny_body(
    folder: Path,
    family: str = "llama",
    *,
    seed: int = 0,
    shards: int = 1,
    chat_template: str | None = CHAT_TEMPLATE,
    **config: Any,
) -> Path:
    """Write a random body into ``folder`` (made if missing) and return the folder.

    256 byte tokens, then ``SPECIAL``; replies end with ``IM_END``. ``config`` overrides keys of
    config.json. Files: config.json, generation_config.json, model.safetensors (or ``shards``
    of them with their index), tokenizer.json, tokenizer_config.json. Same seed, same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    full = tiny_config(family, **config)
    _write_json(folder / "config.json", full)
    _write_json(
        folder / "generation_config.json",
        {"bos_token_id": IM_START, "eos_token_id": [IM_END, END_OF_TEXT]},
    )
    _write_tokenizer(folder, chat_template)
    _write_weights(folder, tiny_tensors(full, seed=seed), shards)
    return folder


def tiny_config(family: str = "llama", **overrides: Any) -> dict[str, Any]:
    """Return a config.json of two small layers with grouped-query attention."""
    config: dict[str, Any] = {
        "architectures": [ARCHITECTURES[family]],
        "model_type": family,
        "vocab_size": 256 + len(SPECIAL),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "bos_token_id": IM_START,
        "eos_token_id": IM_END,
        "torch_dtype": "float32",
    }
    if family == "mistral":
        config["sliding_window"] = None
    if family == "qwen3":
        config["head_dim"] = 32
    if family == "bitnet":
        config |= {"hidden_act": "relu2", "quantization_config": MASTER_WEIGHTS}
    return config | overrides


def tiny_tensors(config: dict[str, Any], *, seed: int = 0) -> dict[str, np.ndarray]:
    """Return random f32 tensors for ``config``, by their Hugging Face names."""
    rng = np.random.default_rng(seed)
    d, d_ff = config["hidden_size"], config["intermediate_size"]
    head_dim = config.get("head_dim") or d // config["num_attention_heads"]
    d_q, d_kv = (config[f"num_{n}_heads"] * head_dim for n in ("attention", "key_value"))

    def matrix(rows: int, cols: int) -> np.ndarray:
        return rng.normal(0.0, cols**-0.5, (rows, cols)).astype(np.float32)

    def norm(size: int) -> np.ndarray:
        return rng.normal(1.0, 0.1, size).astype(np.float32)

    def bias(size: int) -> np.ndarray:
        return rng.normal(0.0, 0.1, size).astype(np.float32)

    tensors = {"model.embed_tokens.weight": matrix(config["vocab_size"], d)}
    widths = {"q": (d_q, d), "k": (d_kv, d), "v": (d_kv, d), "o": (d, d_q)}
    biased = "qkv" if config["model_type"] == "qwen2" else ""
    biased = "qkvo" if config.get("attention_bias") else biased
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}"
        tensors[f"{layer}.input_layernorm.weight"] = norm(d)
        for name, shape in widths.items():
            tensors[f"{layer}.self_attn.{name}_proj.weight"] = matrix(*shape)
            if name in biased:
                tensors[f"{layer}.self_attn.{name}_proj.bias"] = bias(shape[0])
        if config["model_type"] == "qwen3":
            tensors[f"{layer}.self_attn.q_norm.weight"] = norm(head_dim)
            tensors[f"{layer}.self_attn.k_norm.weight"] = norm(head_dim)
        if config["model_type"] == "bitnet":
            tensors[f"{layer}.self_attn.attn_sub_norm.weight"] = norm(d_q)
            tensors[f"{layer}.mlp.ffn_sub_norm.weight"] = norm(d_ff)
        tensors[f"{layer}.post_attention_layernorm.weight"] = norm(d)
        for name, shape in {"gate": (d_ff, d), "up": (d_ff, d), "down": (d, d_ff)}.items():
            tensors[f"{layer}.mlp.{name}_proj.weight"] = matrix(*shape)
            if config.get("mlp_bias"):
                tensors[f"{layer}.mlp.{name}_proj.bias"] = bias(shape[0])
    tensors["model.norm.weight"] = norm(d)
    if not config["tie_word_embeddings"]:
        tensors["lm_head.weight"] = matrix(config["vocab_size"], d)
    return tensors


def _write_weights(folder: Path, tensors: dict[str, np.ndarray], shards: int) -> None:
    if shards == 1:
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        return
    weight_map: dict[str, str] = {}
    names = list(tensors)
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = {name: tensors[name] for name in names[i::shards]}
        save_file(part, folder / file, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, file)
    _write_json(
        folder / "model.safetensors.index.json",
        {
            "metadata": {"total_size": sum(t.nbytes for t in tensors.values())},
            "weight_map": weight_map,
        },
    )


def _write_tokenizer(folder: Path, chat_template: str | None) -> None:
    alphabet = byte_alphabet()
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "clean_up_tokenization_spaces": False,
    }
    if chat_template is not None:
        settings["chat_template"] = chat_template
    _write_json(folder / "tokenizer_config.json", settings)


def byte_alphabet() -> list[str]:
    """The characters GPT-2's byte-level BPE shows bytes 0…255 as, in the order of the bytes."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = (b for b in range(256) if b not in printable)
    shown = {b: b for b in printable} | {b: 256 + n for n, b in enumerate(hidden)}
    return [chr(shown[b]) for b in range(256)]


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
