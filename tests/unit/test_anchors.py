"""Anchors: made of the body's own words, kept, and dealt fairly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.read_weights import read_weights
from sould.engine.soul.anchors import (
    Anchor,
    Draw,
    Maker,
    Prompt,
    general_prompts,
    restore,
    store,
)
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.scoring import Scorer
from sould.engine.template import ChatTemplate
from sould.engine.tokenizer import Tokenizer
from tests.fakes.tiny_body import write_tiny_body


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Anchor], Decoder]:
    body = open_body(write_tiny_body(tmp_path_factory.mktemp("body")))
    decoder, tokenizer = Decoder(body.spec, read_weights(body)), Tokenizer.of(body)
    ends = tokenizer.control_ids | tokenizer.special.eos
    form = ChatForm(ChatTemplate(body, tokenizer), ends)
    maker = Maker(decoder, Scorer(decoder), form, tokenizer.encode, ends)
    prompts = [Prompt("What is rain?", is_chat=True), Prompt("The old mill", is_chat=False)]
    anchors: list[Anchor] = []
    for _ in maker.steps(prompts, anchors):
        pass
    return anchors, decoder


def test_an_anchor_is_what_the_body_says_and_how_sure_it_is(
    made: tuple[list[Anchor], Decoder],
) -> None:
    anchors, decoder = made
    chat, plain = anchors
    assert (chat.is_chat, plain.is_chat) == (True, False)
    assert plain.line.positions[0] == 1
    ids = torch.tensor(plain.line.ids)
    logits_TV = decoder.logits(decoder.run(decoder.embed.gather(ids)))
    want = logits_TV[[p - 1 for p in plain.line.positions]].softmax(-1).topk(1).values[:, 0]
    torch.testing.assert_close(plain.target.p[:, 0], want, atol=1e-5, rtol=1e-4)


def test_half_of_a_reply_is_its_opening(made: tuple[list[Anchor], Decoder]) -> None:
    chat, plain = (anchor.row(2.0).weights for anchor in made[0])
    assert sum(chat) == pytest.approx(2.0) == sum(plain)
    rest = chat[-1]
    assert chat[0] == chat[1] == pytest.approx(rest + 0.5)
    assert plain[0] == plain[-1]


def test_a_bank_is_kept_under_its_key(made: tuple[list[Anchor], Decoder], tmp_path: Path) -> None:
    anchors, decoder = made
    path = tmp_path / "bank.safetensors"
    assert restore(path, "key", decoder.spec.vocab_size) is None
    store(path, anchors, "key")
    kept = restore(path, "key", decoder.spec.vocab_size)
    assert kept is not None
    assert [a.line for a in kept] == [a.line for a in anchors]
    assert all(torch.equal(a.target.p, b.target.p) for a, b in zip(kept, anchors, strict=True))
    assert restore(path, "another", decoder.spec.vocab_size) is None
    assert restore(path, "key", 3) is None, "tokens of another vocabulary"
    path.write_bytes(path.read_bytes()[:-40])
    assert restore(path, "key", decoder.spec.vocab_size) is None


def test_each_anchor_is_dealt_before_any_comes_again(made: tuple[list[Anchor], Decoder]) -> None:
    anchors = [made[0][0]] * 2 + [made[0][1]]
    draw = Draw(anchors, is_chat=True, seed=0)
    assert draw.take(5) == anchors[:2]
    anchors.append(Anchor(made[0][0].line, made[0][0].target, is_chat=True))
    assert len(draw.take(5)) == 3, "the bank has grown"
    assert [a.is_chat for a in Draw(anchors, is_chat=False, seed=0).take(3)] == [False]
    assert Draw([], is_chat=True, seed=0).take(3) == []


def test_the_prompts_are_all_different() -> None:
    prompts = [prompt.text for prompt in general_prompts()]
    assert len(set(prompts)) == len(prompts) > 200
