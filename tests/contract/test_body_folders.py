"""Folders as hostile input: each fault is a BodyInvalid that names the file and the fault."""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from sould.engine.bodyfile import open_body
from sould.errors import BodyInvalid
from tests.fakes.tiny_body import edit_json, write_tiny_body


def config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / "config.json", **changes)


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return spoil


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, size)


def link(name: str, target: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        shutil.move(folder / name, folder.parent / name)
        (folder / name).symlink_to(target)

    return spoil


def swap_weights(folder: Path) -> None:
    """A body of the same sizes but one."""
    write_tiny_body(folder.parent / "other", intermediate_size=128)
    shutil.copy(folder.parent / "other" / "model.safetensors", folder)


def pickled_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def two_unindexed(folder: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder / "a.safetensors")
    (folder / "model.safetensors").rename(folder / "b.safetensors")


def header(text: bytes, size: int | None = None) -> Callable[[Path], None]:
    raw = struct.pack("<Q", len(text) if size is None else size) + text
    return write("model.safetensors", raw)


FOLDER_FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no config": (remove("config.json"), "'config.json' is missing"),
    "no tokenizer": (remove("tokenizer.json"), "'tokenizer.json' is missing"),
    "no weights": (remove("model.safetensors"), r"holds no \*.safetensors"),
    "pickle": (pickled_only, "pickled weights only"),
    "two files": (two_unindexed, "holds 2 weight files"),
    "config not utf-8": (write("config.json", b"\xff\xfe{}"), "config.json: is not UTF-8"),
    "config not json": (write("config.json", b"{oops"), "config.json: is not JSON"),
    "config a list": (write("config.json", b"[1]"), "config.json: holds a JSON list"),
    "config deep": (write("config.json", b'{"a":' * 100_000), "is not sensible JSON"),
    "tokenizer garbage": (write("tokenizer.json", b"\0" * 50), "tokenizer.json: is not JSON"),
    "generation garbage": (write("generation_config.json", b"["), "generation_config.json"),
    "no model type": (config(model_type=...), "'model_type' is missing"),
    "other family": (config(model_type="mamba"), "model type 'mamba' is not supported"),
    "type not text": (config(model_type=["llama"]), "expected a text"),
    "no layers": (config(num_hidden_layers=0), "expected a whole number from 1"),
    "too many layers": (config(num_hidden_layers=10**12), "expected a whole number from 1 to 1024"),
    "more layers than tensors": (config(num_hidden_layers=3), "'model.layers.2.*' is missing"),
    "fewer layers than tensors": (config(num_hidden_layers=1), "has no place in a llama body"),
    "layers a bool": (config(num_hidden_layers=True), "is True, expected a whole number"),
    "width a text": (config(hidden_size="64"), "is '64', expected a whole number"),
    "width negative": (config(hidden_size=-64), "is -64, expected"),
    "huge vocabulary": (config(vocab_size=1 << 40), "'vocab_size' is"),
    "uneven heads": (config(num_key_value_heads=3), "4 heads cannot share 3"),
    "odd heads": (config(head_dim=15), "heads of width 15"),
    "nan epsilon": (config(rms_norm_eps=float("nan")), "'rms_norm_eps' is nan"),
    "other activation": (config(hidden_act="gelu"), "activation 'gelu' is not supported"),
    "quantised": (config(quantization_config={"quant_method": "gptq"}), "quantised with 'gptq'"),
    "dynamic rope": (
        config(rope_scaling={"rope_type": "dynamic", "factor": 2.0}),
        "rope scaling 'dynamic' is not supported",
    ),
    "longrope": (config(rope_scaling={"type": "longrope"}), "'longrope' is not supported"),
    "rope a list": (config(rope_scaling=[1]), "expected an object"),
    "rope without factor": (config(rope_scaling={"type": "linear"}), "'rope_scaling.factor'"),
    "partial rotation": (config(partial_rotary_factor=0.5), "partial_rotary_factor"),
    "eos beyond": (config(eos_token_id=259), "'eos_token_id' holds 259"),
    "wrong shape": (swap_weights, r"has shape \(128, 64\), expected \(96, 64\)"),
    "truncated": (cut("model.safetensors", 5000), "not a sound safetensors file"),
    "empty weights": (cut("model.safetensors", 0), "not a sound safetensors file"),
    "header beyond the file": (header(b"{}", 1 << 60), "not a sound safetensors file"),
    "header not json": (header(b"\xff" * 64), "not a sound safetensors file"),
    "offsets beyond": (
        header(b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}'),
        "not a sound safetensors file",
    ),
    "shape overflows": (
        header(b'{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
        "not a sound safetensors file",
    ),
    "weights linked away": (link("model.safetensors", "../model.safetensors"), "not a file of"),
    "settings linked away": (
        link("tokenizer_config.json", "../tokenizer_config.json"),
        "'tokenizer_config.json' is not a file of this folder",
    ),
    "template not utf-8": (write("chat_template.jinja", b"\xff"), "jinja: is not UTF-8"),
    "template too long": (write("chat_template.jinja", b"x" * (1 << 21)), "is larger than"),
    "config linked away": (link("config.json", "../config.json"), "not a file of this folder"),
}


@pytest.mark.parametrize("fault", FOLDER_FAULTS)
def test_a_spoiled_folder_is_refused(tmp_path: Path, fault: str) -> None:
    spoil, message = FOLDER_FAULTS[fault]
    folder = write_tiny_body(tmp_path / "body")
    open_body(folder)
    spoil(folder)
    with pytest.raises(BodyInvalid, match=message) as caught:
        open_body(folder)
    assert str(folder) in str(caught.value)


def shard_name(folder: Path, name: str) -> None:
    index = folder / "model.safetensors.index.json"
    weight_map = json.loads(index.read_text())["weight_map"]
    edit_json(index, weight_map=weight_map | {"model.norm.weight": name})


INDEX = "model.safetensors.index.json"
SHARD_FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a shard is missing": (remove("model-00002-of-00003.safetensors"), "00002.* is missing"),
    "a shard of elsewhere": (lambda f: shard_name(f, "../x.safetensors"), "is missing|not a file"),
    "an absolute path": (lambda f: shard_name(f, "/etc/passwd"), "is missing|not a file"),
    "a NUL": (lambda f: shard_name(f, "a\0b"), "is missing"),
    "the wrong shard": (
        lambda f: shard_name(f, "model-00001-of-00003.safetensors"),
        "'model.norm.weight' is not in model-00001",
    ),
    "no map": (write(INDEX, b"{}"), "has no 'weight_map'"),
    "a map of numbers": (write(INDEX, b'{"weight_map": {"a": 1}}'), "not a text"),
    "index garbage": (write(INDEX, b"\xff"), "is not UTF-8"),
}


@pytest.mark.parametrize("fault", SHARD_FAULTS)
def test_spoiled_shards_are_refused(tmp_path: Path, fault: str) -> None:
    spoil, message = SHARD_FAULTS[fault]
    folder = write_tiny_body(tmp_path / "body", shards=3)
    open_body(folder)
    spoil(folder)
    with pytest.raises(BodyInvalid, match=message) as caught:
        open_body(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("name", ["body.txt", "missing", "missing.gguf"])
def test_what_is_no_body_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "body.txt").write_text("hello")
    with pytest.raises(BodyInvalid, match=name):
        open_body(tmp_path / name)


def test_folders_shards_and_bare_files_are_the_same_body(tmp_path: Path) -> None:
    whole = open_body(write_tiny_body(tmp_path / "whole"))
    shards = open_body(write_tiny_body(tmp_path / "shards", shards=3))
    bare_file = tmp_path / "whole" / "model.safetensors"
    bare = open_body(bare_file.rename(bare_file.with_name("renamed.safetensors")))
    other = open_body(write_tiny_body(tmp_path / "other", seed=1))
    assert (whole.format, shards.format, bare.format) == ("hf", "hf", "safetensors")
    assert whole.spec == shards.spec == bare.spec
    assert len({body.fingerprint() for body in (shards, bare)}) == 1
    assert other.fingerprint() != shards.fingerprint()


def test_what_a_body_says_of_itself(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "b", tie_word_embeddings=False)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\nlicense: no")
    body = open_body(folder)
    layer = 64 * 64 * 2 + 32 * 64 * 2 + 3 * 96 * 64 + 2 * 64
    assert body.parameters == 2 * 259 * 64 + 2 * layer + 64
    assert body.quantisation == "F32"
    assert body.size_bytes == (folder / "model.safetensors").stat().st_size
    assert body.licence == "apache-2.0"
    assert body.special.bos == 257
    assert body.special.eos == {256, 258}
    assert body.chat_template is not None
    assert "<|im_start|>" in body.chat_template


def test_reading_bodies_needs_no_torch(tmp_path: Path) -> None:
    folder = write_tiny_body(tmp_path / "b")
    code = (
        "import sys, pathlib; from sould.engine.bodyfile import open_body; "
        "open_body(pathlib.Path(sys.argv[1])).fingerprint(); sys.exit('torch' in sys.modules)"
    )
    assert run([sys.executable, "-c", code, folder], check=False).returncode == 0
