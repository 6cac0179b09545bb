"""Random bytes and types in model files: a body, or BodyInvalid naming the file; nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sould.engine.bodyfile import open_body
from sould.engine.formats.gguf_file import open_gguf
from sould.engine.template import ChatTemplate
from sould.engine.tokenizer import Tokenizer
from sould.errors import BodyInvalid
from tests.fakes.tiny_body import edit_json, write_tiny_body
from tests.fakes.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="module")
def sound_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes: dict[str, Any] = {"num_hidden_layers": 1, "intermediate_size": 32}
    return write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "sound.gguf", **sizes)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_spoiled_header_does_worse_than_be_refused(
    sound_gguf: Path, data: st.DataObject
) -> None:
    """Whatever bytes of the header change: an answer or BodyInvalid, at once."""
    raw = bytearray(sound_gguf.read_bytes())
    header_bytes = min(tensor.offset for tensor in open_gguf(sound_gguf).tensors.values())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, header_bytes - 1))
        new = data.draw(st.binary(min_size=1, max_size=8))
        raw[at : at + len(new)] = new
    spoiled = sound_gguf.with_name("spoiled.gguf")
    spoiled.write_bytes(raw[: data.draw(st.sampled_from([len(raw), header_bytes // 2]))])
    try:
        open_body(spoiled)
    except BodyInvalid as e:
        assert str(spoiled) in str(e)


ANYTHING = st.sampled_from([7, "x", "", True, 1.5, [1, 2], ["a", "b"], [1.5] * 260])
GGUF_KEYS = (
    [f"llama.{key}" for key in ("block_count", "context_length", "embedding_length")]
    + [f"llama.attention.{key}" for key in ("head_count", "head_count_kv", "key_length")]
    + [f"llama.rope.{key}" for key in ("freq_base", "dimension_count", "scaling.type")]
    + ["general.alignment", "general.license", "split.count", "tokenizer.chat_template"]
    + [f"tokenizer.ggml.{key}" for key in ("model", "pre", "tokens", "token_type", "scores")]
    + [f"tokenizer.ggml.{key}" for key in ("merges", "eos_token_id", "add_space_prefix")]
)


def open_all(path: Path) -> None:
    body = open_body(path)
    ChatTemplate(body, Tokenizer.of(body))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(GGUF_KEYS), ANYTHING, min_size=1, max_size=2))
def test_metadata_of_any_type_does_no_worse_than_be_refused(
    sound_gguf: Path, extra: dict[str, Any]
) -> None:
    file = write_tiny_gguf(sound_gguf.with_name("typed.gguf"), extra=extra)
    try:
        open_all(file)
    except BodyInvalid as e:
        assert str(file) in str(e)


JSON_KEYS = {
    "config.json": ["model_type", "hidden_size", "rope_scaling", "eos_token_id", "hidden_act"],
    "generation_config.json": ["eos_token_id"],
    "tokenizer_config.json": ["bos_token", "eos_token", "chat_template", "add_bos_token"],
    "tokenizer.json": ["added_tokens", "post_processor", "model", "decoder", "normalizer"],
}
JSON_VALUES = st.recursive(
    st.sampled_from([None, 7, -1, 1.5, "x", "", True]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["type", "processors", "single", "content", "id", "factor", "name"]),
            inner,
            max_size=2,
        ),
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_json_of_any_type_does_no_worse_than_be_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = write_tiny_body(tmp_path_factory.getbasetemp() / "typed")
    name = data.draw(st.sampled_from(sorted(JSON_KEYS)))
    key = data.draw(st.sampled_from(JSON_KEYS[name]))
    edit_json(folder / name, **{key: data.draw(JSON_VALUES)})
    try:
        open_all(folder)
    except BodyInvalid as e:
        assert str(folder) in str(e)
