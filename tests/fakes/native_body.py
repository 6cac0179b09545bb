"""A tiny random body of TTT layers, of both rules, and of the original engine's own files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import save_file

from sould.engine.bodies.bit_ttt import spec_from_hf
from sould.engine.formats.settings import Settings
from sould.engine.native.model import NativeModel
from tests.fakes.tiny_body import IM_END, IM_START, SPECIAL, write_tiny_body

VOCABULARY = 256 + len(SPECIAL)
ORIGINAL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_dim": 32,
    "num_layers": 2,
    "inner_lr": 0.1,
}
OURS: dict[str, Any] = {
    "model_type": "bit_ttt",
    "rule": "ttt_linear",
    "vocab_size": VOCABULARY,
    "hidden_dim": 32,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_size": 48,
    "inner_lr": 1.0,
    "mini_batch": 8,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": True,
    "bos_token_id": IM_START,
    "eos_token_id": IM_END,
}


def write_native_body(
    folder: Path,
    rule: str = "ttt_linear",
    *,
    seed: int = 0,
    config: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Write a random body into ``folder`` and return it; same seed, same bytes.

    One of rule "reconstruct" is as the original engine wrote it, its tokenizer's control tokens
    as well. ``config``: what its config.json says beside, or instead.
    """
    write_tiny_body(folder)
    config = (OURS if rule == "ttt_linear" else ORIGINAL) | dict(config)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    model = drawn(config, folder, seed)
    save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def drawn(config: Mapping[str, Any], folder: Path, seed: int) -> NativeModel:
    """Return a model of random parameters, larger than training begins with, so that all matter."""
    model = NativeModel(spec_from_hf(Settings(config, folder / "config.json"))).draw(seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.embed.weight.normal_(0.0, 1.0, generator=generator)
    return model
