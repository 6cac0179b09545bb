"""Which kernel computes: never chosen silently, never replaced when it was asked for by name."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sould.bridge import Load
from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.kernel import KernelUnavailable
from sould.engine.kernels import choose_gpu_kernel
from sould.engine.plan import GPU_RUNTIME_BYTES, Machine, make_plan
from sould.engine.read_weights import read_weights, ternary_formats
from sould.errors import DeviceUnavailable
from tests.fakes.tiny_bitnet import write_packed_bitnet
from tests.fakes.tiny_body import write_tiny_body

GB = 1 << 30
WITH_GPU = Machine(
    n_cuda=1, has_bf16=True, free_vram_bytes=8 * GB, cores=2, allowed_cpus=2, own_bytes=GB // 4
)
without_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is not None, reason="Triton is installed"
)


@pytest.fixture(scope="module")
def bitnet(tmp_path_factory: pytest.TempPathFactory) -> BodyFile:
    return open_body(write_packed_bitnet(tmp_path_factory.mktemp("bodies") / "bitnet"))


def load(tmp_path: Path, **asked: Any) -> Load:
    whole = Load(name="b", path="", cache_dir=str(tmp_path), memory_budget_bytes=4 * GB)
    return msgspec.structs.replace(whole, **asked)


def choose(body: BodyFile, request: Load) -> str:
    plan = make_plan(body, msgspec.structs.replace(request, device="cuda"), WITH_GPU)
    assert plan.placement.n_gpu == body.spec.n_layers
    chosen = choose_gpu_kernel(body.tensors.values(), request, plan)
    assert chosen.value is None
    return chosen.reason


@without_triton
def test_auto_goes_on_without_triton_and_says_why(
    bitnet: BodyFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        reason = choose(bitnet, load(tmp_path))
    assert reason.startswith("kernel torch: Triton is not installed")
    assert "Triton kernel unavailable" in caplog.text


@without_triton
def test_asked_for_by_name_it_is_not_replaced(bitnet: BodyFile, tmp_path: Path) -> None:
    with pytest.raises(KernelUnavailable, match="Triton is not installed") as caught:
        choose(bitnet, load(tmp_path, kernel="native"))
    assert "body.kernel" in caught.value.hint


def test_torch_is_torch(bitnet: BodyFile, tmp_path: Path) -> None:
    assert choose(bitnet, load(tmp_path, kernel="torch")) == "kernel torch: asked for"


def test_a_body_without_ternary_weights_has_no_kernel_there(tmp_path: Path) -> None:
    body = open_body(write_tiny_body(tmp_path / "tiny"))
    assert "not for cuda:0" in choose(body, load(tmp_path))
    with pytest.raises(DeviceUnavailable, match="only ternary weights have one"):
        choose(body, load(tmp_path, kernel="native"))


def test_headers_tell_what_matrices_will_be_held_as(bitnet: BodyFile) -> None:
    layer = read_weights(bitnet).layers[0]
    assert ternary_formats(bitnet.tensors.values()) == [layer.q.format] == ["ternary"]


def test_a_plan_counts_packed_bytes_on_a_gpu(bitnet: BodyFile, tmp_path: Path) -> None:
    """All that the plan says lies there: what is held, conversations, and what CUDA brings."""
    plan = make_plan(bitnet, load(tmp_path, device="cuda"), WITH_GPU)
    weights = read_weights(bitnet)
    parts = [getattr(layer, name) for layer in weights.layers for name in ("q", "k", "v", "o")]
    parts += [getattr(layer, name) for layer in weights.layers for name in ("gate", "up", "down")]
    packed = sum(weight.nbytes for weight in parts)
    dense = sum(2 * weight.rows * weight.cols for weight in parts)
    conversations = plan.conversations * plan.context_tokens * 2 * 2
    conversations *= bitnet.spec.n_layers * bitnet.spec.d_kv
    rest = plan.placement.gpu_bytes - GPU_RUNTIME_BYTES - conversations - packed
    embedding = 2 * bitnet.spec.vocab_size * bitnet.spec.d_model
    vectors = 4 * (bitnet.spec.n_layers * 8 + 1) * max(bitnet.spec.d_model, bitnet.spec.d_ff)
    assert 0 < rest <= 2 * embedding + vectors < dense - packed
