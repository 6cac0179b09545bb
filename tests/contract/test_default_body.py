"""The default body computes what transformers computes from the same file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.read_weights import read_weights
from sould.engine.tokenizer import Tokenizer

TEXT = (
    "The quick brown fox jumps over the lazy dog. 吾輩は猫である。名前はまだ無い。 😀👨‍👩‍👧‍👦\n"
    "def area(r: float) -> float:\n\treturn 3.14159 * r ** 2  # 100 %\n"
)


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
def test_what_the_default_body_says_of_itself(default_body: Path) -> None:
    body = open_body(default_body)
    assert (body.format, body.family, body.quantisation) == ("gguf", "llama", "Q4_1")
    assert (body.parameters, body.size_bytes) == (134_515_008, 98_362_432)
    assert (body.licence, body.spec.context_max) == ("apache-2.0", 8192)
    assert read_weights(body).notes == ()
