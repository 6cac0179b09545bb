"""The estimate is what the weights and caches really take."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.kvcache import KVCache
from sould.engine.memory import (
    auto_budget_bytes,
    choose_context,
    count_conversations,
    estimate,
    held_bytes,
    token_bytes,
)
from sould.engine.read_weights import read_weights
from sould.engine.weights import BodyWeights, Weight
from tests.fakes.tiny_body import write_tiny_body

GB = 1 << 30


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> BodyFile:
    return open_body(write_tiny_body(tmp_path_factory.mktemp("bodies") / "tiny"))


def really_held_bytes(weights: BodyWeights) -> int:
    parts = [vars(layer) for layer in weights.layers]
    held = [v for part in parts for v in part.values() if v is not None]
    held += [weights.embed, weights.final_norm]
    held += [] if weights.head is weights.embed else [weights.head]
    return sum(v.nbytes if isinstance(v, Weight | torch.Tensor) else 0 for v in held)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3"])
def test_weights_take_what_was_estimated(tmp_path: Path, family: str) -> None:
    body = open_body(write_tiny_body(tmp_path / "b", family, tie_word_embeddings=False))
    assert held_bytes(body.tensors.values()) == really_held_bytes(read_weights(body))
    halved = really_held_bytes(read_weights(body, dtype=torch.bfloat16))
    assert held_bytes(body.tensors.values(), "bfloat16") == halved


@pytest.mark.real_body
def test_packed_weights_take_what_was_estimated(default_body: Path) -> None:
    body = open_body(default_body)
    assert held_bytes(body.tensors.values()) == really_held_bytes(read_weights(body))


def test_a_conversation_takes_what_was_estimated(tiny: BodyFile) -> None:
    cache = KVCache(tiny.spec, limit=64)
    assert cache.nbytes == 64 * token_bytes(tiny.spec)


def test_the_total_is_the_sum_and_is_held_against_the_budget(tiny: BodyFile) -> None:
    memory = estimate(tiny, budget_bytes=GB)
    assert memory.total_bytes == (memory.weights_bytes + memory.cache_bytes + memory.scratch_bytes)
    assert memory.fits
    assert not estimate(tiny, budget_bytes=memory.weights_bytes).fits


def test_a_tight_budget_leaves_room_for_fewer_conversations(tiny: BodyFile) -> None:
    spec = replace(tiny.spec, context_max=1 << 16)
    body = replace(tiny, spec=spec)
    roomy = estimate(body, context_tokens=1 << 16, parallel=4, budget_bytes=64 * GB)
    conversation = roomy.cache_bytes // 4
    tight = estimate(
        body,
        context_tokens=1 << 16,
        parallel=4,
        budget_bytes=roomy.total_bytes - 2 * conversation,
    )
    assert tight.cache_bytes == 2 * conversation
    assert tight.fits


def test_one_conversation_is_counted_even_where_there_is_no_room() -> None:
    assert count_conversations(-5, 100, wanted=4) == 1
    assert count_conversations(250, 100, wanted=4) == 2
    assert count_conversations(10_000, 100, wanted=4) == 4


def test_the_context_is_never_more_than_the_body_knows(tiny: BodyFile) -> None:
    assert choose_context(tiny.spec, None) == 512
    assert choose_context(tiny.spec, 9999) == 512
    assert choose_context(tiny.spec, 100) == 100
    assert choose_context(replace(tiny.spec, context_max=1 << 17), None) == 4096


def test_the_automatic_budget_is_a_share_of_what_is_free() -> None:
    assert 0 < auto_budget_bytes() < auto_budget_bytes(own_bytes=GB)


def test_an_estimate_imports_no_torch() -> None:
    code = "import sould.engine.memory, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
