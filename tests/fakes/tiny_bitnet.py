"""Tiny bodies of ``tiny_body`` as packed checkpoints, made as the reference makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.fakes.tiny_body import edit_json, write_tiny_body

LinearClass = Literal["autobitlinear", "bitlinear"]


def write_packed_bitnet(
    folder: Path,
    linear_class: LinearClass = "autobitlinear",
    family: str = "bitnet",
    **config: Any,
) -> Path:
    """Write what ``write_tiny_body`` writes, its matrices packed, scales beside them."""
    write_tiny_body(folder, family, **config)
    how = {"quant_method": "bitnet", "linear_class": linear_class, "quantization_mode": "offline"}
    edit_json(folder / "config.json", quantization_config=how)
    path = folder / "model.safetensors"
    packed: dict[str, np.ndarray] = {}
    for name, tensor in load_file(path).items():
        if not name.endswith("_proj.weight"):
            packed[name] = tensor
            continue
        signs, scale = ternary_of(tensor)
        packed[name] = pack(signs)
        stored = scale if linear_class == "autobitlinear" else 1 / scale
        packed[f"{name}_scale"] = np.array([stored], np.float32)
    save_file(packed, path, metadata={"format": "pt"})
    return folder


def ternary_of(tensor: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Return -1, 0 and 1, and what they are worth: the mean, as near as f16 has it."""
    mean = np.abs(tensor).mean(dtype=np.float32)
    return np.clip(np.round(tensor / mean), -1, 1), np.float32(np.float16(mean))


def pack(signs: np.ndarray) -> np.ndarray:
    """Return rows r, r + R/4, r + R/2, r + 3R/4 as 2 bits each of one byte, low bits first."""
    four = np.split((signs + 1).astype(np.uint8), 4)
    return four[0] | four[1] << 2 | four[2] << 4 | four[3] << 6
