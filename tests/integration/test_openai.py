"""The API of ``soul_openai`` through the packages that people use."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest

from tests.fakes.daemon_process import diary_of
from tests.fakes.openai_home import Api, serving

MODEL = "smollm2-135m-instruct@default"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("d"), "chat: {system_prompt: Be kind.}") as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=api.base_url, api_key=api.at.token, max_retries=0) as client:
        yield client


def test_a_reply_at_once_and_in_pieces(api: Api, client: openai.OpenAI) -> None:
    said = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "tokens 3"}]
    )
    (choice,) = said.choices
    assert (choice.message.content, choice.finish_reason) == ("t0 t1 t2 ", "stop")
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (2, 3)
    assert diary_of(api.daemon)[-1]["text"] == "t0 t1 t2 "
    pieces = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "tokens 3"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(pieces)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "t0 t1 t2 "
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 3
    assert chunks[-2].choices[0].finish_reason == "stop"
