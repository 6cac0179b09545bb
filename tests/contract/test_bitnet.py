"""BitNet bodies: the logits of transformers, whatever their matrices are stored as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import quants
from safetensors.numpy import load_file, save_file
from torch import Tensor

from sould.engine import ternary
from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.formats.ternary import MATRICES
from sould.engine.memory import held_bytes
from sould.engine.read_weights import read_weights
from sould.engine.unpack import unpack
from sould.engine.weights import Weight
from sould.errors import BodyInvalid
from tests.fakes.reference import ROUNDED, reference_model
from tests.fakes.tiny_bitnet import LinearClass, write_packed_bitnet
from tests.fakes.tiny_body import edit_json, write_tiny_body
from tests.fakes.tiny_gguf import GGUF_VOCABULARY, write_tiny_gguf

LENGTHS = (1, 2, 63, 64, 65, 150)
TOLERANCE = 5e-5  # f32, two layers, logits up to 5
CONFIGS: list[dict[str, Any]] = [
    {},
    {"tie_word_embeddings": False, "hidden_act": "silu"},
    {"hidden_size": 128, "intermediate_size": 200, "num_key_value_heads": 1},
    {"attention_bias": True},
]


def logits_of(folder: Path, ids: list[int]) -> Tensor:
    body = open_body(folder)
    decoder = Decoder(body.spec, read_weights(body))
    logits_TV = decoder.forward(ids, decoder.new_cache(len(ids)), want="all")
    assert logits_TV is not None
    return logits_TV


def some_ids(count: int) -> list[int]:
    return torch.randint(0, 256, (count,), generator=torch.Generator().manual_seed(0)).tolist()


def assert_parity(folder: Path) -> None:
    """Most short texts are equal but for the last digits; in a long one a number may be rounded
    to int8 the other way, and all that follows it is a little off.
    """
    model, errors = reference_model(folder), []
    for start in range(0, 96, 4):
        ids = some_ids(100)[start : start + 4]
        errors.append(float((logits_of(folder, ids) - model(ids)).abs().max()))
    assert median(errors) < TOLERANCE
    for length in LENGTHS:
        ids = some_ids(length)
        torch.testing.assert_close(logits_of(folder, ids), model(ids), atol=ROUNDED, rtol=0)


@pytest.mark.parametrize("config", CONFIGS)
def test_master_weights_give_the_logits_of_transformers(
    tmp_path: Path, config: dict[str, Any]
) -> None:
    assert_parity(write_tiny_body(tmp_path, "bitnet", **config))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("linear_class", ["autobitlinear", "bitlinear"])
def test_packed_weights_give_the_logits_of_transformers(
    tmp_path: Path, linear_class: LinearClass, config: dict[str, Any]
) -> None:
    assert_parity(write_packed_bitnet(tmp_path, linear_class, **config))


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize("linear_class", ["autobitlinear", "bitlinear"])
def test_other_families_may_be_ternary_too(
    tmp_path: Path, linear_class: LinearClass, family: str
) -> None:
    """Llama3-8B-1.58 and Falcon3-1.58bit are such bodies."""
    folder = write_packed_bitnet(tmp_path, linear_class, family)
    assert_parity(folder)
    assert read_weights(open_body(folder)).layers[0].q.format == "ternary"


def test_without_a_quantisation_the_matrices_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path, "bitnet", quantization_config=None)
    assert read_weights(open_body(folder)).layers[0].q.format == "f32"
    assert_parity(folder)


def test_all_forms_are_the_same_weights_in_two_bits(tmp_path: Path) -> None:
    master = open_body(write_tiny_body(tmp_path / "master", "bitnet"))
    packed = open_body(write_packed_bitnet(tmp_path / "packed"))
    inverse = open_body(write_packed_bitnet(tmp_path / "inverse", "bitlinear"))
    read = [read_weights(body) for body in (master, packed, inverse)]
    for name in MATRICES:
        first, *others = (getattr(weights.layers[1], name) for weights in read)
        assert first.format == "ternary"
        assert first.nbytes == first.rows * (4 + 32 * -(-first.cols // 128))
        for other in others:
            torch.testing.assert_close(other.dense(), first.dense(), atol=0, rtol=1e-3)
    assert len({body.fingerprint() for body in (master, packed, inverse)}) == 3
    vectors = sum(t.nbytes for t in master.tensors.values() if len(t.shape) == 1)
    matrices = sum(getattr(layer, m).nbytes for layer in read[0].layers for m in MATRICES)
    held = held_bytes(master.tensors.values())
    assert held == vectors + matrices + read[0].embed.nbytes
    unpacked = unpack(read[0], spare_bytes=1 << 40)
    assert unpacked.layers == read[0].layers
    assert "ternary weights stay packed" in unpacked.notes[-1]


@pytest.mark.parametrize("kind", ["TQ1_0", "TQ2_0"])
def test_a_gguf_file_is_its_folder(tmp_path: Path, kind: str) -> None:
    """llama.cpp knows it with SiLU, and with the scales of its blocks in f16."""
    sizes: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 512, "hidden_act": "silu"}
    folder = open_body(write_packed_bitnet(tmp_path / "hf", vocab_size=GGUF_VOCABULARY, **sizes))
    file = open_body(write_tiny_gguf(tmp_path / "body.gguf", "bitnet", kind=kind, **sizes))
    eps = file.spec.norm_eps  # of f32
    assert file.spec == replace(folder.spec, ternary="blocks", norm_eps=eps)
    assert held_bytes(file.tensors.values()) == held_bytes(folder.tensors.values()) - 4 * 14
    ours, theirs = read_weights(file), read_weights(folder)
    for got, want in zip(ours.layers, theirs.layers, strict=True):
        for name in MATRICES:
            assert getattr(got, name).format == "ternary"
            assert torch.equal(getattr(got, name).data, getattr(want, name).data)
        assert got.attn_sub_norm is not None and want.attn_sub_norm is not None
        assert torch.equal(got.attn_sub_norm, want.attn_sub_norm)
    assert ours.notes == ()


@pytest.mark.parametrize("kind", ["TQ1_0", "TQ2_0"])
def test_blocks_of_zeros_are_zeros_and_several_scales_are_no_ternary_row(kind: str) -> None:
    dtype = gguf.GGMLQuantizationType[kind]
    dense = np.random.default_rng(0).integers(-1, 2, (3, 512)).astype(np.float32) * 0.5
    dense[1, :256] = 0
    dense[2] = 0
    data = ternary.from_gguf(quants.quantize(dense, dtype).reshape(-1), kind, 3, 512)
    assert data is not None
    assert torch.equal(Weight("ternary", data, 3, 512).dense(), torch.from_numpy(dense))
    dense[0, 256:] *= 2
    assert ternary.from_gguf(quants.quantize(dense, dtype).reshape(-1), kind, 3, 512) is None


@pytest.mark.parametrize("cols", [1, 31, 127, 128, 129, 300])
def test_packing_loses_nothing(cols: int) -> None:
    generator = torch.Generator().manual_seed(cols)
    codes = torch.randint(0, 3, (5, cols), generator=generator, dtype=torch.uint8)
    scales = torch.rand(5, generator=generator)
    packed = ternary.pack(codes, scales)
    assert torch.equal(ternary.codes(packed, cols), codes)
    assert torch.equal(ternary.scales(packed), scales)


def test_a_product_is_that_of_the_rounded_input() -> None:
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 3, (7, 200), generator=generator, dtype=torch.uint8)
    packed = ternary.pack(codes, torch.full((7,), 0.25))
    x_TC = torch.randn(3, 200, generator=generator).requires_grad_()
    dense = (codes.float() - 1) * 0.25
    want_TR = ternary.through_int8(x_TC) @ dense.T
    torch.testing.assert_close(ternary.product(x_TC.detach(), packed, 200), want_TR.detach())
    assert (x_TC - ternary.through_int8(x_TC)).abs().max() <= x_TC.abs().max() / 254 * 1.001
    (gradient,) = torch.autograd.grad(want_TR.sum(), x_TC)
    torch.testing.assert_close(gradient, dense.sum(0).expand(3, -1))


def spoilt(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "model.safetensors"
        tensors = load_file(path)
        tensors[name] = change(tensors[name])
        save_file(tensors, path)

    return spoil


def quantised(**how: Any) -> Callable[[Path], None]:
    return lambda folder: edit_json(
        folder / "config.json", quantization_config={"quant_method": "bitnet", **how}
    )


Q = "model.layers.1.self_attn.q_proj.weight"
FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a fourth value": (spoilt(Q, lambda t: t | 3), "holds a weight that is not -1, 0 or 1"),
    "a scale of 0": (spoilt(f"{Q}_scale", lambda t: t * 0), "is 0, and is divided by"),
    "a scale not finite": (spoilt(f"{Q}_scale", lambda t: t / 0), "not finite"),
    "not packed": (spoilt(Q, lambda t: t.astype(np.float32)), "is F32 .*expected packed weights"),
    "a flat matrix": (spoilt(Q, lambda t: t.reshape(-1)), "is U8 .*expected packed weights"),
    "too few rows": (spoilt(Q, lambda t: t[1:]), r"has shape \(60, 64\), expected \(64, 64\)"),
    "two scales": (spoilt(f"{Q}_scale", lambda t: np.append(t, t)), r"has shape \(2,\)"),
    "another method": (quantised(quant_method="gptq"), "quantised with 'gptq'"),
    "another class": (quantised(linear_class="x"), "quantization 'x', 'offline'"),
    "more norms": (quantised(use_rms_norm=True), "use_rms_norm"),
    "layers left out": (quantised(modules_to_not_convert=["q_proj"]), r"is \['q_proj'\]"),
    "activation": (lambda f: edit_json(f / "config.json", hidden_act="gelu"), "relu2 and silu"),
}


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_spoilt_body_is_refused(tmp_path: Path, fault: str) -> None:
    spoil, message = FAULTS[fault]
    folder = write_packed_bitnet(tmp_path, "bitlinear")
    spoil(folder)
    with pytest.raises(BodyInvalid, match=message) as caught:
        read_weights(open_body(folder))
    assert str(folder) in str(caught.value)


def test_master_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path, "bitnet")
    spoilt(Q, lambda t: t * np.nan)(folder)
    with pytest.raises(BodyInvalid, match=r"q_proj\.weight' is not finite"):
        read_weights(open_body(folder))
