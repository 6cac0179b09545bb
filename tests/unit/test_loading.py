"""Loading in-process: what `load` returns, and that it can be stopped."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Literal

import pytest

from soul_client.wire import ChatMessage, Progress, Sampling
from sould.bridge import Generate, Generated, Load
from sould.engine.generate import generate
from sould.engine.loading import Body, load
from sould.errors import Cancelled
from tests.fakes.kernel_cache import lend_kernels
from tests.fakes.tiny_body import IM_END, SPECIAL, write_tiny_body


def request(path: Path, tmp_path: Path, kernel: Literal["auto", "torch"] = "torch") -> Load:
    cache_dir = str(tmp_path / "cache")
    return Load(name="b", path=str(path), cache_dir=cache_dir, threads=1, kernel=kernel)


def reply(body: Body, *texts: str, max_tokens: int, seed: int) -> Generated:
    messages = [
        ChatMessage(role="user" if i % 2 == 0 else "assistant", text=t) for i, t in enumerate(texts)
    ]
    sampling = Sampling(max_tokens=max_tokens, seed=seed)
    job = generate(body, Generate(messages=messages, sampling=sampling), Event())
    while True:
        try:
            next(job)
        except StopIteration as end:
            assert isinstance(end.value, Generated)
            return end.value


def test_a_load_that_should_stop_stops_before_it_reads(tmp_path: Path) -> None:
    path = write_tiny_body(tmp_path / "tiny")
    told: list[Progress] = []
    with pytest.raises(Cancelled):
        load(request(path, tmp_path), should_stop=lambda: bool(told), tell=told.append)
    assert len(told) == 1


def test_padding_of_the_embedding_is_not_vocabulary(tmp_path: Path) -> None:
    path = write_tiny_body(tmp_path / "padded", vocab_size=320)
    body = load(request(path, tmp_path), should_stop=lambda: False, tell=lambda _: None)
    assert body.vocab_size == 256 + len(SPECIAL)
    assert IM_END in body.ends


@pytest.mark.real_body
def test_a_conversation_with_the_real_body_computes_only_what_is_new(
    default_body: Path, tmp_path: Path, kernels: Path
) -> None:
    """A fifth of its replies would be cut into other tokens when they are read again."""
    lend_kernels(kernels, tmp_path / "cache")
    asked = request(default_body, tmp_path, kernel="auto")
    body = load(asked, should_stop=lambda: False, tell=lambda _: None)
    texts = ["Write a Python function that adds two numbers, and explain it in Japanese."]
    for seed in range(3):
        answer = reply(body, *texts, max_tokens=48, seed=seed)
        if seed:
            new = answer.usage.prompt_tokens - answer.usage.cached_tokens
            assert new <= 30
        texts += [answer.text, "Say it in other words."]
