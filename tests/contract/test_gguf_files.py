"""GGUF files as hostile input: each fault is a BodyInvalid that names the file and the fault."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from sould.engine.bodyfile import open_body
from sould.engine.formats.gguf_file import open_gguf
from sould.errors import BodyInvalid
from tests.fakes.tiny_gguf import write_tiny_gguf

FILE_FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda raw: b"", "is empty"),
    "wrong magic": (lambda raw: b"GGML" + raw[4:], "not a GGUF file"),
    "old version": (lambda raw: raw[:4] + struct.pack("<I", 1) + raw[8:], "is GGUF version 1"),
    "big-endian": (lambda raw: raw[:4] + struct.pack(">I", 3) + raw[8:], "big-endian"),
    "tensor count": (lambda raw: raw[:8] + b"\xff" * 8 + raw[16:], "claims .* tensors"),
    "value count": (lambda raw: raw[:16] + b"\xff" * 8 + raw[24:], "claims .* metadata values"),
    "key length": (lambda raw: raw[:24] + b"\xff" * 8 + raw[32:], "claims .* characters"),
    "header cut": (lambda raw: raw[:1000], "claims|truncated"),
    "data cut": (lambda raw: raw[:-100], "is truncated: tensor"),
    "not utf-8": (lambda raw: raw.replace(b"general.", b"\xffeneral."), "not UTF-8"),
}


@pytest.mark.parametrize("fault", FILE_FAULTS)
def test_a_spoiled_gguf_is_refused(tmp_path: Path, fault: str) -> None:
    spoil, message = FILE_FAULTS[fault]
    file = write_tiny_gguf(tmp_path / "body.gguf")
    open_body(file)
    file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(BodyInvalid, match=message) as caught:
        open_body(file)
    assert str(file) in str(caught.value)


METADATA_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"llama.block_count": None}, "'llama.block_count' is missing"),
    ({"llama.block_count": 3}, "'blk.2.*' is missing"),
    ({"llama.embedding_length": 32}, r"has shape \(260, 64\), expected \(260, 32\)"),
    ({"llama.embedding_length": "wide"}, "is 'wide', expected a whole number"),
    ({"llama.attention.head_count": [4, 4]}, "expected a whole number"),
    ({"llama.attention.value_length": 8}, "different widths"),
    ({"llama.rope.dimension_count": 8}, "rotates only a part"),
    ({"llama.rope.scaling.type": "longrope"}, "rope scaling 'longrope' is not supported"),
    ({"llama.expert_count": 8}, "mixture of experts"),
    ({"split.count": 3}, "is one of 3 parts"),
    ({"general.alignment": 3}, "not a multiple of 3"),
    ({"tokenizer.ggml.tokens": None}, "'tokenizer.ggml.tokens' is missing"),
    ({"tokenizer.ggml.tokens": ["a"] * 300}, "names 300 tokens, but embeds 260"),
    ({"tokenizer.ggml.token_type": [1, 2]}, "expected a list of 260 numbers"),
    ({"tokenizer.ggml.token_type": 3}, "is 3, expected a list of 260 numbers"),
    ({"tokenizer.ggml.eos_token_id": 260}, "is 260, expected"),
    ({"tokenizer.chat_template": 7}, "is 7, expected a text"),
]


@pytest.mark.parametrize(("extra", "message"), METADATA_FAULTS)
def test_metadata_that_makes_no_body_is_refused(
    tmp_path: Path, extra: dict[str, Any], message: str
) -> None:
    file = write_tiny_gguf(tmp_path / "body.gguf", extra=extra)
    with pytest.raises(BodyInvalid, match=message) as caught:
        open_body(file)
    assert str(file) in str(caught.value)


def test_tensors_that_belong_to_no_body_are_refused(tmp_path: Path) -> None:
    extra = {"blk.0.attn_sinks.weight": np.zeros(4, np.float32)}
    file = write_tiny_gguf(tmp_path / "body.gguf", extra_tensors=extra)
    with pytest.raises(BodyInvalid, match=r"'blk.0.attn_sinks.weight' .* has no place"):
        open_body(file)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "body.gguf"
    writer = gguf.GGUFWriter(file, "mamba")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(BodyInvalid, match="architecture 'mamba' is not supported"):
        open_body(file)


def test_the_header_reads_as_the_library_reads_it(tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "body.gguf")
    ours, theirs = open_gguf(file), gguf.GGUFReader(file)
    for key, field in theirs.fields.items():
        if not key.startswith("GGUF."):
            value = ours.metadata.values[key]
            assert (value.tolist() if hasattr(value, "tolist") else value) == field.contents()
    for tensor in theirs.tensors:
        stored = ours.tensors[tensor.name]
        assert stored.shape == tuple(reversed(tensor.shape.tolist()))
        assert (stored.offset, stored.nbytes) == (tensor.data_offset, tensor.n_bytes)
