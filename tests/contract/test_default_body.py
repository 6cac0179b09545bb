"""The default body reads, writes and computes what transformers does from the same file."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.read_weights import read_weights
from sould.engine.template import ChatTemplate
from sould.engine.tokenizer import Tokenizer
from tests.contract.test_template import CONVERSATIONS, WITH_SYSTEM, messages_of
from tests.contract.test_tokenizer import TEXTS, tokens_in_pieces

TEXT = (
    "The quick brown fox jumps over the lazy dog. 吾輩は猫である。名前はまだ無い。 😀👨‍👩‍👧‍👦\n"
    "def area(r: float) -> float:\n\treturn 3.14159 * r ** 2  # 100 %\n"
)


@pytest.fixture(scope="module", autouse=True)
def file_is_read_once() -> Iterator[None]:
    """Have transformers remember what it would read of the file again and again, for seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GGUFReader", "get_tensor_name_map"):
            patch.setattr(gguf, name, functools.cache(getattr(gguf, name)))
        yield


@pytest.fixture(scope="module")
def reference(default_body: Path) -> Any:
    """The tokenizer of transformers."""
    return AutoTokenizer.from_pretrained(default_body.parent, gguf_file=default_body.name)


@pytest.mark.real_body
@pytest.mark.timeout(600)
def test_logits_equal_those_of_transformers(default_body: Path) -> None:
    """In f32, from the Q4_1 and Q8_0 weights as they are in the file."""
    body = open_body(default_body)
    decoder = Decoder(body.spec, read_weights(body))
    ids = Tokenizer.of(body).encode(TEXT)
    logits_TV = decoder.forward(ids, decoder.new_cache(len(ids)), want="all")
    reference = AutoModelForCausalLM.from_pretrained(
        default_body.parent, gguf_file=default_body.name, dtype=torch.float32
    )
    with torch.no_grad():
        expected_TV = reference(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(logits_TV, expected_TV, atol=1e-3, rtol=0)


@pytest.mark.real_body
def test_ids_equal_those_of_transformers(default_body: Path, reference: Any) -> None:
    tokenizer = Tokenizer.of(open_body(default_body))
    rng = np.random.default_rng(0)
    words = [word for text in TEXTS for word in re.sub("[½①②١٢٣ⅷ]", "", text).split()]
    for text in [" ".join(words), *(" ".join(rng.permutation(words)) for _ in range(50))]:
        ids = tokenizer.encode(text, special=True)
        assert ids == reference.encode(text, add_special_tokens=False)
        assert tokenizer.decode(ids) == reference.decode(ids, skip_special_tokens=True)
        plain = tokenizer.encode(text)
        assert "".join(tokens_in_pieces(tokenizer, plain)) == text


@pytest.mark.real_body
def test_the_template_gives_the_ids_of_transformers(default_body: Path, reference: Any) -> None:
    body = open_body(default_body)
    template = ChatTemplate(body, Tokenizer.of(body))
    assert template.origin == "body"
    for pairs in [*CONVERSATIONS, WITH_SYSTEM]:
        expected = reference.apply_chat_template(
            [{"role": role, "content": text} for role, text in pairs],
            add_generation_prompt=True,
            return_dict=False,
        )
        assert template.render(messages_of(pairs)) == expected
    assert "named SmolLM" in str(reference.decode(template.render(messages_of([("user", "x")]))))


@pytest.mark.real_body
def test_what_the_default_body_says_of_itself(default_body: Path) -> None:
    body = open_body(default_body)
    assert (body.format, body.family, body.quantisation) == ("gguf", "llama", "Q4_1")
    assert (body.parameters, body.size_bytes) == (134_515_008, 98_362_432)
    assert (body.licence, body.spec.context_max) == ("apache-2.0", 8192)
    assert read_weights(body).notes == ()
