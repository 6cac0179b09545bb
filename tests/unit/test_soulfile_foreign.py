"""Souls of the original engine and its later forms: recognised, explained, the first one read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from sould.errors import SoulInvalid, SoulMissing
from sould.soulfile.header import read_header, recognise
from sould.soulfile.original import read_original
from sould.soulfile.recognise import Kind
from sould.soulfile.record import read, verify, write
from tests.fakes.souls import make_soul

Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "old.soul"


def original(layers: int = 2, hidden_dim: int = 12, config: list[int] | None = None) -> Arrays:
    side = hidden_dim // 4
    random = np.random.default_rng(0)
    states: Arrays = {
        f"w_state.{layer}": random.standard_normal((1, side, side), dtype=np.float32)
        for layer in range(layers)
    }
    words = config if config is not None else [hidden_dim, layers, 1, 7]
    return states | {"meta_config": np.array(words, np.uint32)}


def square() -> Arrays:
    return {f"layer_{n}": np.eye(8, dtype=np.float32) for n in range(12)}


def lora() -> Arrays:
    return {
        f"layers.{n}.self_attn.{p}.lora_{f}": np.ones((2, 8), np.float32)
        for n in range(2)
        for p in ("q_proj", "v_proj")
        for f in "AB"
    }


def test_ours_is_recognised(path: Path) -> None:
    write(path, make_soul())
    assert recognise(path) is Kind.SOUL


@pytest.mark.parametrize(
    ("arrays", "kind", "words"),
    [
        (original(), Kind.ORIGINAL, "original Bit-TTT Engine"),
        (original(config=[12, 2]), Kind.ORIGINAL, "native body"),
        (square(), Kind.SQUARE, "one square matrix a layer"),
        (lora(), Kind.LORA, "LoRA pairs of the attention"),
        ({"lm_head.weight": np.ones(3, np.float32)}, Kind.OTHER, "no soul"),
        ({"layer_0": np.ones((2, 3), np.float32)}, Kind.OTHER, "no soul"),
        ({"meta_config": np.ones(4, np.uint32)}, Kind.OTHER, "no soul"),
        (square() | lora(), Kind.OTHER, "no soul"),
        ({"w_state.0": np.ones((1, 2, 2), np.float32)}, Kind.OTHER, "no soul"),
    ],
)
def test_each_kind_is_recognised_and_explained(
    path: Path, arrays: Arrays, kind: Kind, words: str
) -> None:
    save_file(arrays, path, metadata={"format": "pt"})
    assert recognise(path) is kind
    for reader in (read, read_header):
        with pytest.raises(SoulInvalid, match=words) as caught:
            reader(path)
        assert ("soul reincarnate" in str(caught.value)) is (kind is not Kind.OTHER)
    assert words in verify(path).faults[0]
    if kind is not Kind.ORIGINAL:
        with pytest.raises(SoulInvalid, match="not a soul of the original engine"):
            read_original(path)


def test_every_kind_has_words() -> None:
    assert all(kind.what for kind in Kind)
    assert all(kind.advice for kind in Kind if kind not in (Kind.SOUL, Kind.OTHER))


@pytest.mark.parametrize("reader", [recognise, read_original])
def test_what_is_no_safetensors_file_is_refused(
    path: Path, reader: Callable[[Path], object]
) -> None:
    with pytest.raises(SoulMissing):
        reader(path)
    path.write_bytes(b"PK\x03\x04 not a soul at all")
    with pytest.raises(SoulInvalid):
        reader(path)


def test_the_original_is_read(path: Path) -> None:
    arrays = original()
    save_file(arrays, path)
    soul = read_original(path)
    assert (soul.hidden_dim, soul.n_layers, soul.level) == (12, 2, (1 << 32) + 7)
    for layer, state in enumerate(soul.w_states):
        assert np.array_equal(state, arrays[f"w_state.{layer}"][0])


def test_the_oldest_have_no_level(path: Path) -> None:
    save_file(original(config=[12, 2]), path)
    assert read_original(path).level == 0


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        (original(config=[12, 3, 0, 0]), "3 layers, the file has 2"),
        (original(config=[16, 2, 0, 0]), r"w_state.0: is missing, or not F32 of \(1, 4, 4\)"),
        (original(config=[13, 2, 0, 0]), "hidden size 13 is not a multiple of 4"),
        (original(config=[0, 2, 0, 0]), "hidden size 0"),
        (original(config=[12, 2, 0]), "is not U32 of 2 or 4"),
        (original() | {"meta_config": np.ones(4, np.int32)}, "is not U32 of 2 or 4"),
        (original(config=[12, 2, 2**31, 0]), "level 9223372036854775808"),
        (original() | {"w_state.1": np.ones((1, 3, 3), np.float16)}, "w_state.1: is missing, or"),
        (original() | {"w_state.0": np.full((1, 3, 3), np.nan, np.float32)}, "norm nan"),
        (original() | {"w_state.0": np.full((1, 3, 3), 1e30, np.float32)}, "norm 3e"),
    ],
)
def test_an_original_that_lies_is_refused(path: Path, arrays: Arrays, match: str) -> None:
    save_file(arrays, path)
    with pytest.raises(SoulInvalid, match=match) as caught:
        read_original(path)
    assert str(path) in caught.value.message


def test_a_gap_between_the_layers(path: Path) -> None:
    arrays = original()
    arrays["w_state.5"] = arrays.pop("w_state.1")
    save_file(arrays, path)
    with pytest.raises(SoulInvalid, match=r"w_state\.1: is missing"):
        read_original(path)


def test_an_original_over_the_limit_is_not_read(path: Path) -> None:
    save_file(original(), path)
    with pytest.raises(SoulInvalid, match="the limit is 100"):
        read_original(path, max_bytes=100)
    assert recognise(path) is Kind.ORIGINAL
