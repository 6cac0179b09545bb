"""Weights made dense once, where the budget allows it."""

from __future__ import annotations

from pathlib import Path

import torch

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.kernel.selftest import random_weight
from sould.engine.memory import unpacked_bytes
from sould.engine.read_weights import read_weights
from sould.engine.unpack import unpack
from sould.engine.weights import SCRATCH_WEIGHTS
from tests.fakes.tiny_gguf import write_tiny_gguf

MLP = ("gate", "up", "down")
IDS = [1, 2, 3, 4, 5]


def test_dense_weights_compute_the_same(tmp_path: Path) -> None:
    file = open_body(write_tiny_gguf(tmp_path / "tiny.gguf", kind="Q8_0"))
    packed = read_weights(file)
    dense = unpack(packed, spare_bytes=1 << 40)
    assert {layer.down.format for layer in dense.layers} == {"f32"}
    assert (dense.head is dense.embed) == (packed.head is packed.embed)
    assert "unpacked to float32" in dense.notes[-1]
    logits = [_logits(Decoder(file.spec, w)) for w in (packed, dense)]
    assert torch.allclose(*logits, atol=1e-5)


def test_over_the_budget_they_stay_packed_and_it_is_said(tmp_path: Path) -> None:
    packed = read_weights(open_body(write_tiny_gguf(tmp_path / "tiny.gguf", kind="Q8_0")))
    kept = unpack(packed, spare_bytes=10)
    assert kept.layers == packed.layers
    assert "stay packed" in kept.notes[-1]
    assert unpack(unpack(packed, spare_bytes=1 << 40), spare_bytes=0).head.format == "f32"


def test_matrices_of_blocks_are_unpacked_for_a_gpu_and_others_left() -> None:
    packed, dense = (random_weight(format, 4, 64, seed=0) for format in ("q8_0", "f32"))
    unpacked = packed.unpacked(torch.bfloat16)
    assert (unpacked.format, unpacked.data.dtype) == ("bf16", torch.bfloat16)
    assert torch.equal(unpacked.data, packed.dense(torch.bfloat16))
    assert dense.unpacked(torch.bfloat16) is dense
    tall = random_weight("q4_1", SCRATCH_WEIGHTS // 64 + 3, 64, seed=1)
    assert torch.equal(tall.unpacked(torch.float32).data, tall.dense())


def test_what_unpacking_takes_is_known_before(tmp_path: Path) -> None:
    file = open_body(write_tiny_gguf(tmp_path / "tiny.gguf", kind="Q8_0"))
    weights = read_weights(file)
    parts = [getattr(layer, part) for layer in weights.layers for part in MLP]
    parts += [getattr(layer, part) for layer in weights.layers for part in ("q", "k", "v", "o")]
    more = sum(part.unpacked(torch.bfloat16).nbytes - part.nbytes for part in parts)
    layers = [t for role, t in file.tensors.items() if role.startswith("layers.")]
    assert unpacked_bytes(layers, 2) == more > 0


def _logits(decoder: Decoder) -> torch.Tensor:
    logits = decoder.forward(IDS, decoder.new_cache(16))
    assert logits is not None
    return logits
