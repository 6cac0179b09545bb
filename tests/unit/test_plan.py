"""How a body will be run: every choice, its reason, and the budgets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sould.bridge import Load
from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.choices import (
    LEAST_ON_GPU_BYTES,
    choose_device,
    choose_dtypes,
    choose_threads,
    place_layers,
)
from sould.engine.memory import estimate, token_bytes
from sould.engine.plan import GPU_LEARNING_BYTES, GPU_RUNTIME_BYTES, Machine, Plan, make_plan
from sould.errors import DeviceUnavailable, NoMemory
from tests.fakes.tiny_body import write_tiny_body
from tests.fakes.tiny_gguf import write_tiny_gguf

GB = 1 << 30
SMALL = Machine(
    n_cuda=0, has_bf16=False, free_vram_bytes=0, cores=2, allowed_cpus=2, own_bytes=GB // 4
)
WITH_GPU = replace(SMALL, n_cuda=1, has_bf16=True, free_vram_bytes=8 * GB)


@pytest.fixture(scope="module")
def body(tmp_path_factory: pytest.TempPathFactory) -> BodyFile:
    folder = tmp_path_factory.mktemp("bodies") / "tiny"
    return open_body(write_tiny_body(folder, num_hidden_layers=6, max_position_embeddings=8192))


def plan(body: BodyFile, machine: Machine = SMALL, **asked: Any) -> Plan:
    load = Load(name="tiny", path="", cache_dir="", memory_budget_bytes=4 * GB)
    return make_plan(body, msgspec.structs.replace(load, **asked), machine)


def layer_bytes(body: BodyFile) -> int:
    """Weights of one layer and the keys and values of one conversation in it, on a GPU."""
    tensors = [t for role, t in body.tensors.items() if role.startswith("layers.0.")]
    weights = sum(t.nbytes // 2 if len(t.shape) > 1 else t.nbytes for t in tensors)
    return weights + 4096 * token_bytes(body.spec, 2) // 6


def larger(body: BodyFile) -> BodyFile:
    """Return a body whose matrices have a thousand times as many rows, which a GPU is for."""
    tensors = {
        role: replace(t, shape=(1000 * t.shape[0], *t.shape[1:]))
        for role, t in body.tensors.items()
    }
    return replace(body, tensors=tensors)


def test_auto_leaves_bodies_on_the_cpu_that_gain_nothing(body: BodyFile) -> None:
    small = plan(body, WITH_GPU)
    assert small.device == "cpu" and "replies no slower there" in small.reasons[0]
    assert plan(body, WITH_GPU, device="cuda").device == "cuda:0"
    assert plan(body, WITH_GPU, kernel="torch").device == "cuda:0", "packed, torch is slow"
    for size, device in ((LEAST_ON_GPU_BYTES - 1, "cpu"), (LEAST_ON_GPU_BYTES, "cuda:0")):
        assert choose_device("auto", 1, replies_from=size).value == device
    assert choose_device("auto", 1).value == "cuda:0", "what does not reply is not asked its size"


def test_auto_takes_a_gpu_if_there_is_one(body: BodyFile) -> None:
    assert plan(larger(body)).device == "cpu"
    assert plan(larger(body), WITH_GPU).device == "cuda:0"
    assert plan(larger(body), WITH_GPU, device="cpu").device == "cpu"


def test_every_choice_has_its_reason(body: BodyFile) -> None:
    reasons = " ".join(plan(body, WITH_GPU, device="cuda").reasons)
    for word in ("device cuda:0", "layers: all 6", "dtype bfloat16", "threads 2", "context 4096"):
        assert word in reasons


@pytest.mark.parametrize("asked", ["cuda", "cuda:0", "cuda:3"])
def test_a_gpu_asked_for_and_not_there_is_an_error(asked: str) -> None:
    with pytest.raises(DeviceUnavailable, match=f"{asked!r} was asked for, torch sees 0"):
        choose_device(asked, 0)


@pytest.mark.parametrize("asked", ["gpu", "cuda:x", "mps"])
def test_a_device_of_no_known_kind_is_an_error(asked: str) -> None:
    with pytest.raises(DeviceUnavailable, match="no kind of device"):
        choose_device(asked, 1)


def test_a_cuda_device_may_be_named_by_number() -> None:
    assert choose_device("cuda", 2).value == "cuda:0"
    assert choose_device("cuda:1", 2).value == "cuda:1"


def test_dtypes_follow_the_device() -> None:
    on_cpu = choose_dtypes("auto", "cpu", has_bf16=True).value
    assert (on_cpu.held, on_cpu.computed) == ("auto", "float32")
    halved = choose_dtypes("bfloat16", "cpu", has_bf16=True).value
    assert (halved.held, halved.computed) == ("bfloat16", "float32")
    assert choose_dtypes("auto", "cuda:0", has_bf16=True).value.computed == "bfloat16"
    assert choose_dtypes("auto", "cuda:0", has_bf16=False).value.computed == "float16"
    assert choose_dtypes("float32", "cuda:0", has_bf16=True).value.computed == "float32"


def test_threads_are_physical_cores_but_no_more_than_allowed() -> None:
    assert choose_threads(None, cores=8, allowed=16).value == 8
    assert choose_threads(None, cores=8, allowed=3).value == 3
    assert choose_threads(5, cores=8, allowed=3).value == 5


def test_on_the_cpu_the_plan_is_what_was_estimated(body: BodyFile) -> None:
    shown = estimate(body, budget_bytes=4 * GB)
    assert plan(body).conversations * 4096 * token_bytes(body.spec) == shown.cache_bytes
    least = estimate(body, parallel=1, budget_bytes=1)
    with pytest.raises(NoMemory, match=f"needs {least.total_bytes / 1e6:,.0f} MB"):
        plan(body, memory_budget_bytes=1)


def test_a_tight_budget_means_fewer_replies_at_a_time(body: BodyFile) -> None:
    one = estimate(body, parallel=1, budget_bytes=GB)
    tight = plan(body, memory_budget_bytes=one.total_bytes + one.cache_bytes // 2)
    assert tight.conversations == 1
    assert "full conversations there is room for: 1 of 4" in tight.reasons


def test_too_little_memory_says_both_numbers_and_what_to_do(body: BodyFile) -> None:
    with pytest.raises(NoMemory, match=r"needs .* MB .* the budget is 1 MB") as caught:
        plan(body, memory_budget_bytes=1_000_000)
    assert "body.context_tokens" in caught.value.hint


def test_layers_that_do_not_fit_the_gpu_run_on_the_cpu(body: BodyFile) -> None:
    budget = GPU_RUNTIME_BYTES + 50_000 + 4 * layer_bytes(body)
    planned = plan(body, WITH_GPU, device="cuda", vram_budget_bytes=budget)
    assert planned.placement.devices("cuda:0") == ["cpu"] * 2 + ["cuda:0"] * 4
    assert any("the last 4 on cuda:0" in r and "first 2 on the CPU" in r for r in planned.reasons)
    assert planned.conversations == 1


def test_a_gpu_holds_blocks_unpacked_where_they_fit(tmp_path: Path) -> None:
    packed = open_body(write_tiny_gguf(tmp_path / "tiny.gguf", kind="Q8_0"))
    roomy = plan(packed, WITH_GPU, device="cuda")
    assert roomy.is_unpacked
    assert any("weights unpacked to bfloat16" in reason for reason in roomy.reasons)
    budget = roomy.placement.gpu_bytes + GPU_LEARNING_BYTES
    tight = plan(packed, WITH_GPU, device="cuda", vram_budget_bytes=budget)
    assert tight.placement == roomy.placement and not tight.is_unpacked
    assert any("weights stay packed: as bfloat16" in reason for reason in tight.reasons)


def test_what_the_cpu_computes_or_a_gpu_cannot_unpack_is_not_said(body: BodyFile) -> None:
    for planned in (plan(body), plan(body, WITH_GPU, device="cuda")):
        assert not planned.is_unpacked
        assert not any("pack" in reason for reason in planned.reasons)


def test_a_gpu_too_small_for_a_layer_is_said_or_refused(body: BodyFile) -> None:
    planned = plan(body, WITH_GPU, kernel="torch", vram_budget_bytes=GPU_RUNTIME_BYTES)
    assert planned.device == "cpu"
    assert "one layer takes" in planned.reasons[0]
    with pytest.raises(NoMemory, match=r"one layer takes .* the VRAM budget is 805 MB"):
        plan(body, WITH_GPU, vram_budget_bytes=GPU_RUNTIME_BYTES, device="cuda")


def test_the_context_is_limited_by_the_body_and_that_is_said(body: BodyFile) -> None:
    planned = plan(body, context_tokens=100_000)
    assert planned.context_tokens == 8192
    assert "context 8192 tokens: all the body knows; 100000 were asked for" in planned.reasons


@given(
    st.lists(st.integers(1, 100), min_size=1, max_size=12),
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(0, 1500),
)
def test_placement_keeps_to_the_budget_and_leaves_no_layer_out_needlessly(
    layers: list[int], fixed: int, embed: int, budget: int
) -> None:
    placed = place_layers(layers, fixed_bytes=fixed, embed_bytes=embed, budget_bytes=budget)

    def cost(n: int) -> int:
        return fixed + sum(layers[len(layers) - n :]) + (embed if n == len(layers) else 0)

    assert placed.n_gpu == 0 or placed.gpu_bytes == cost(placed.n_gpu) <= budget
    assert placed.n_gpu == len(layers) or cost(placed.n_gpu + 1) > budget
    devices = placed.devices("cuda:0")
    assert devices.count("cuda:0") == placed.n_gpu
    assert len(devices) == len(layers)
