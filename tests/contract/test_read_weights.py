"""Weights are what the file says, in every type a file may have."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, quants

from sould.engine.bodyfile import open_body
from sould.engine.formats.gguf_file import open_gguf
from sould.engine.read_weights import read_weights
from sould.engine.repack import repack
from sould.errors import BodyInvalid
from tests.fakes.tiny_body import write_tiny_body
from tests.fakes.tiny_gguf import write_tiny_gguf


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_weights_equal_what_the_library_makes_of_them(tmp_path: Path, kind: str) -> None:
    file = write_tiny_gguf(tmp_path / "body.gguf", "qwen2", kind=kind)
    weights = read_weights(open_body(file))
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    for name, weight in (
        ("token_embd.weight", weights.embed),
        ("blk.1.attn_q.weight", weights.layers[1].q),
        ("blk.0.ffn_down.weight", weights.layers[0].down),
    ):
        stored = tensors[name]
        expected = torch.tensor(quants.dequantize(stored.data, stored.tensor_type))
        again = 0.51 / 127 * expected.abs().max() if kind.startswith("Q5") else 0
        torch.testing.assert_close(weight.dense(), expected.float(), atol=float(again), rtol=0)
    notes = {
        "Q4_0": ("15 × Q4_0 held as q4_1, exactly",),
        "Q5_0": ("15 × Q5_0 held as q8_0, rounded once more",),
        "Q5_1": ("15 × Q5_1 held as q8_0, rounded once more",),
    }
    assert weights.notes == notes.get(kind, ())
    assert weights.head is weights.embed


@pytest.mark.parametrize(
    "kind",
    ["Q4_K", "Q2_K", "Q3_K", "Q5_K", "Q6_K", "IQ2_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0"],
)
def test_types_no_kernel_reads_are_repacked(kind: str) -> None:
    """Any bytes are valid blocks; only the f16 scales must be sensible numbers."""
    dtype = GGMLQuantizationType[kind]
    block, block_bytes = gguf.GGML_QUANT_SIZES[dtype]
    rows, cols = 3, 512
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (rows * cols // block, block_bytes), dtype=np.uint8)
    scale = rng.uniform(0.001, 0.01, (len(raw), 2)).astype(np.float16).view(np.uint8)
    scales_at = {"Q2_K": [(80, 4)], "Q3_K": [(108, 2)], "Q6_K": [(208, 2)], "TQ1_0": [(52, 2)]}
    for at, size in scales_at.get(kind, [(0, 4 if kind in ("Q4_K", "Q5_K") else 2)]):
        raw[:, at : at + size] = scale[:, :size]
    weight, change = repack(raw.reshape(-1), kind, rows, cols)
    expected = torch.from_numpy(quants.dequantize(raw.reshape(rows, -1), dtype))
    error = (weight.dense() - expected).abs().max() / expected.abs().max()
    assert error < (2e-3 if kind == "Q4_K" else 5e-3)
    assert change.startswith("held as q4_1" if kind == "Q4_K" else "held as q8_0")


def test_no_vector_keeps_the_file_in_memory(tmp_path: Path) -> None:
    weights = read_weights(open_body(write_tiny_gguf(tmp_path / "body.gguf", kind="Q5_0")))
    for vector in (weights.final_norm, weights.layers[0].attn_norm):
        assert vector.untyped_storage().nbytes() == vector.nbytes


@pytest.mark.parametrize("name", ["blk.0.attn_norm.weight", "blk.1.ffn_up.weight"])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, name: str) -> None:
    file = write_tiny_gguf(tmp_path / "body.gguf", kind="Q8_0")
    tensor = open_gguf(file).tensors[name]
    raw = bytearray(file.read_bytes())
    raw[tensor.offset : tensor.offset + 4] = struct.pack("<HH", 0x7E00, 0x7FC0)  # f16 or f32 NaN
    file.write_bytes(raw)
    with pytest.raises(BodyInvalid, match=f"{re.escape(name)}' is not finite"):
        read_weights(open_body(file))


def test_a_file_cut_after_it_was_opened_is_refused(tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "body.gguf")
    body = open_body(file)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BodyInvalid, match="was cut short"):
        read_weights(body)


@pytest.mark.parametrize("dtype", [None, torch.float16, torch.bfloat16])
def test_plain_weights_are_held_as_asked(tmp_path: Path, dtype: torch.dtype | None) -> None:
    body = open_body(write_tiny_body(tmp_path))
    seen: list[tuple[int, int]] = []
    weights = read_weights(body, dtype=dtype, on_progress=lambda *at: seen.append(at))
    assert weights.layers[0].up.data.dtype == (dtype or torch.float32)
    assert weights.layers[0].mlp_norm.dtype == torch.float32
    assert seen[-1] == (body.parameters * 4, body.parameters * 4)
    assert seen == sorted(seen)


@pytest.mark.parametrize("kind", ["F32", "Q4_1"])
def test_weights_stay_what_they_are_when_the_file_is_written_over(
    tmp_path: Path, kind: str
) -> None:
    file = write_tiny_gguf(tmp_path / "body.gguf", kind=kind)
    weights = read_weights(open_body(file))
    before = weights.layers[0].q.dense().clone()
    with file.open("r+b") as opened:
        opened.truncate(100)  # mapped memory would be gone, and we with it
        opened.write(b"\xff" * 100_000)
    assert torch.equal(weights.layers[0].q.dense(), before)
