"""The API of ``soul_openai`` with a body that really computes, small as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from sould.testing.daemon_process import DaemonProcess
from sould.testing.home import write_home
from tests.fakes.openai_home import NAME, await_api


@pytest.fixture
def llm(tiny_body: Path, tmp_path: Path) -> Iterator[openai.OpenAI]:
    plugins = {"enabled": [NAME], "settings": {NAME: {"port": 0}}}
    daemon = DaemonProcess(write_home(tmp_path, tiny_body, {"plugins": plugins}))
    try:
        daemon.await_ready()
        at = await_api(daemon)
        with openai.OpenAI(base_url=f"{at.url}/v1", api_key=at.token, max_retries=0) as llm:
            yield llm
    finally:
        daemon.close()


def test_counts_are_real_and_seeds_and_stops_are_obeyed(llm: openai.OpenAI) -> None:
    model = llm.models.list().data[0].id

    def ask(**more: Any) -> Any:
        messages = [{"role": "user", "content": "hi"}]
        off = {"X-Soul-Off-Record": "1"}
        return llm.chat.completions.create(
            model=model, messages=messages, extra_headers=off, **{"seed": 1, **more}
        )

    first = ask(max_tokens=12, temperature=5)
    text = first.choices[0].message.content
    # A byte is a token: two turns, each with <|im_start|>, a role, a line end; <|im_end|> and one.
    prompt = len("user\nhi") + 1 + len("\n") + 1 + len("assistant\n") + 1
    assert (first.usage.prompt_tokens, first.usage.completion_tokens) == (prompt, 12)
    assert first.choices[0].finish_reason == "length"
    assert ask(max_tokens=12, temperature=5).choices[0].message.content == text
    assert ask(max_tokens=12, temperature=5, seed=2).choices[0].message.content != text
    stopped = ask(max_tokens=12, temperature=5, stop=text[3:5])
    assert stopped.choices[0].message.content == text[: text.index(text[3:5])]
    assert stopped.choices[0].finish_reason == "stop"
