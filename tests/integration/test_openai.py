"""The API of ``soul_openai`` through the packages that people use: openai, ollama, llm."""

from __future__ import annotations

import concurrent.futures
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import pytest

from soul_client import Client
from tests.fakes.daemon_process import diary_of
from tests.fakes.openai_home import Api, serving
from tests.fakes.soul_process import Soul
from tests.fakes.tiny_body import write_tiny_body

BODY = "smollm2-135m-instruct"
MODEL = f"{BODY}@default"
Said = dict[str, str]


def user(text: str) -> Said:
    return {"role": "user", "content": text}


def assistant(text: str) -> Said:
    return {"role": "assistant", "content": text}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("d")
    write_tiny_body(folder / "models" / "tiny")
    with serving(folder, "chat: {system_prompt: Be kind.}\nbody: {parallel: 9}") as api:
        yield api


@pytest.fixture
def client(api: Api) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=api.base_url, api_key=api.at.token, max_retries=0) as client:
        yield client


@pytest.fixture
def llama(api: Api) -> Iterator[ollama.Client]:
    key = {"Authorization": f"Bearer {api.at.token}"}
    with ollama.Client(api.at.url, headers=key) as llama:
        yield llama


@pytest.fixture
def soul(api: Api) -> Iterator[Client]:
    with Client(api.daemon.config) as client:
        yield client


def say(client: openai.OpenAI, *messages: Said, **more: Any) -> str:
    """Chat, and return the reply."""
    said = client.chat.completions.create(model=MODEL, messages=list(messages), **more)
    return str(said.choices[0].message.content)


def seen(client: openai.OpenAI, *messages: Said, **more: Any) -> list[list[str]]:
    """Return the messages that the body was given, the last of which asks for them."""
    found: list[list[str]] = json.loads(say(client, *messages, user("messages"), **more))[
        "messages"
    ]
    return found[:-1]


def await_idle(soul: Client) -> None:
    until = time.monotonic() + 10
    while soul.status().requests:
        assert time.monotonic() < until, "it goes on"
        time.sleep(0.02)


def begin_souls(soul: Client, *names: str) -> None:
    """Begin souls that belong to no body: there is none."""
    soul.body_unload()
    for name in names:
        soul.soul_new(name)
    soul.soul_use("default")


def in_use(soul: Client) -> tuple[str, str]:
    now = soul.status()
    assert now.body is not None and now.soul is not None
    return now.body.name, now.soul.name


def records(api: Api, text: str) -> list[dict[str, Any]]:
    return [one for one in diary_of(api.daemon) if one["text"] == text]


def test_a_reply_at_once_and_in_pieces(api: Api, client: openai.OpenAI) -> None:
    said = client.chat.completions.create(model=BODY, messages=[user("tokens 3")])
    (choice,) = said.choices
    assert (said.model, choice.message.content, choice.finish_reason) == (
        *(MODEL, "t0 t1 t2 ", "stop"),
    )
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (2, 3)
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=[user("tokens 4")],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    pieces = [chunk.choices[0].delta.content for chunk in chunks[:-1]]
    assert "".join(piece or "" for piece in pieces) == "t0 t1 t2 t3 "
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 4
    assert len(records(api, "t0 t1 t2 t3 ")) == 1


def test_what_the_app_says_was_said_is_what_the_body_sees(client: openai.OpenAI) -> None:
    past = [user("My name is Ada."), assistant("Hello Ada!")]
    assert seen(client) == [["system", "Be kind."]]
    assert seen(client, {"role": "system", "content": "Rhyme."}, *past) == [
        ["system", "Rhyme."],
        ["user", "My name is Ada."],
        ["assistant", "Hello Ada!"],
    ]


def test_how_it_is_sampled(client: openai.OpenAI) -> None:
    wanted = {"max_tokens": 7, "temperature": 1.5, "top_p": 0.5, "seed": 3, "stop": ["a", "b"]}
    sampling = json.loads(say(client, user("sampling"), extra_body={"top_k": 9}, **wanted))
    assert {name: sampling[name] for name in wanted} == wanted and sampling["top_k"] == 9
    assert json.loads(say(client, user("sampling")))["max_tokens"] == 512


def test_a_conversation_is_one_session(api: Api, client: openai.OpenAI) -> None:
    first, second = say(client, user("one two")), "three four"
    past = [user("one two"), assistant(first)]
    reply = say(client, *past, user(second))
    say(client, *past, user(second), assistant(reply), user("five six"))
    sessions = {records(api, text)[-1]["session"] for text in ("one two", second, "five six")}
    assert len(sessions) == 1
    say(client, user("one two"))
    assert records(api, "one two")[-1]["session"] not in sessions


def test_what_is_said_anew_takes_the_place_of_what_was_said(
    api: Api, client: openai.OpenAI, soul: Client
) -> None:
    past = [user("alpha"), assistant(say(client, user("alpha")))]
    for text in ("beta", "beta", "gamma"):
        say(client, *past, user(text))
    (session,) = {one["session"] for one in records(api, "alpha")}
    held = [one.text for one in soul.session(session).messages if one.role == "user"]
    assert held == ["alpha", "gamma"]


def test_a_session_by_its_name_and_nothing_on_record(api: Api, client: openai.OpenAI) -> None:
    say(client, user("to be kept"), extra_headers={"X-Soul-Session": "mine"})
    assert records(api, "to be kept")[-1]["session"] == "mine"
    with api.http() as http:
        body = {"model": MODEL, "messages": [user("kept too")], "session": "mine"}
        answer = http.post("/v1/chat/completions", json=body)
    assert answer.headers["X-Soul-Session"] == "mine"
    assert records(api, "kept too")[-1]["session"] == "mine"
    say(client, user("not for the diary"), extra_headers={"X-Soul-Off-Record": "1"})
    say(client, user("not for the diary"), extra_body={"off_record": True})
    assert records(api, "not for the diary") == []


def test_models_are_bodies_with_souls_and_are_switched_to(
    client: openai.OpenAI, soul: Client
) -> None:
    begin_souls(soul, "mika")
    ids = [model.id for model in client.models.list()]
    assert ids[0] == MODEL and f"{BODY}@mika" in ids and "tiny@mika" in ids
    assert client.models.retrieve(MODEL).owned_by == "bit-ttt"
    switched = client.chat.completions.create(model="tiny@mika", messages=[user("hi")])
    now = soul.status()
    assert switched.model == "tiny@mika"
    assert (now.body and now.body.name, now.soul and now.soul.name) == ("tiny", "mika")
    say(client, user("back"))
    now = soul.status()
    assert (now.body and now.body.name, now.soul and now.soul.name) == (BODY, "default")
    for missing in ("gpt-4o", f"{BODY}@nobody", f"{BODY}@mika"):
        with pytest.raises(openai.NotFoundError, match="GET /v1/models"):
            client.chat.completions.create(model=missing, messages=[user("hi")])


def test_requests_for_two_souls_at_once_get_the_one_they_named(
    api: Api, client: openai.OpenAI, soul: Client
) -> None:
    souls = ["one", "two"]
    begin_souls(soul, *souls)

    def ask(n: int) -> None:
        messages = [user(f"soul {souls[n % 2]} {n}")]
        client.chat.completions.create(model=f"{BODY}@{souls[n % 2]}", messages=messages)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(12)))
    said = [one for one in diary_of(api.daemon) if one["text"].startswith("soul ")]
    wrong = [one for one in said if one["text"].split()[1] != one["soul"]]
    assert len(said) == 24 and wrong == []
    soul.soul_use("default")


@pytest.mark.parametrize(
    ("order", "error", "code"),
    [
        ("error busy", openai.RateLimitError, "rate_limit_exceeded"),
        ("error prompt_too_long", openai.BadRequestError, "context_length_exceeded"),
        ("error no_memory", openai.InternalServerError, "no_memory"),
    ],
)
def test_errors_of_the_daemon(
    client: openai.OpenAI, order: str, error: type[openai.APIStatusError], code: str
) -> None:
    for stream in (False, True):
        with pytest.raises(error) as e:
            client.chat.completions.create(model=MODEL, messages=[user(order)], stream=stream)
        assert (e.value.code, "as ordered" in e.value.message) == (code, True)


def test_an_error_in_the_middle_of_a_reply(client: openai.OpenAI) -> None:
    pieces = client.chat.completions.create(
        model=MODEL, messages=[user("tokens 2;exit 3")], stream=True
    )
    with pytest.raises(openai.APIError) as e:
        list(pieces)
    assert e.value.code == "engine_died"


def test_what_cannot_be_had_is_refused(client: openai.OpenAI) -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    for more, param in (({"tools": [tool]}, "tools"), ({"n": 2}, "n"), ({"top_p": 3}, "top_p")):
        with pytest.raises(openai.BadRequestError) as e:
            say(client, user("hi"), **more)
        assert e.value.param == param
    with pytest.raises(openai.BadRequestError, match="last message"):
        say(client, user("hi"), assistant("ho"))
    with pytest.raises(openai.InternalServerError) as refused:
        client.embeddings.create(model=MODEL, input="hi")
    assert (refused.value.status_code, refused.value.code) == (501, "unsupported")


def test_a_completion(client: openai.OpenAI) -> None:
    said = client.completions.create(model=MODEL, prompt="tokens 2", max_tokens=9)
    assert (said.choices[0].text, said.choices[0].finish_reason) == ("t0 t1 ", "stop")
    assert said.usage is not None and said.usage.completion_tokens == 2
    pieces = client.completions.create(model=MODEL, prompt="tokens 2", stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == "t0 t1 "


def test_who_goes_away_stops_the_reply(api: Api, client: openai.OpenAI, soul: Client) -> None:
    long = user("delay 0.02;tokens 3000")
    with client.chat.completions.create(model=MODEL, messages=[long], stream=True) as pieces:
        for n, _ in enumerate(pieces):
            if n == 3:
                break
    await_idle(soul)
    assert diary_of(api.daemon)[-1]["text"].startswith("t0 t1 ")
    impatient = client.with_options(timeout=0.5)
    for order in ("delay 0.02;tokens 3000", "prefill 60"):
        with pytest.raises(openai.APITimeoutError):
            impatient.chat.completions.create(model=MODEL, messages=[user(order)])
        await_idle(soul)


def test_eight_streams_at_once(client: openai.OpenAI) -> None:
    def ask(n: int) -> str:
        pieces = client.chat.completions.create(
            model=MODEL, messages=[user(f"delay 0.01;tokens {20 + n}")], stream=True
        )
        return "".join(piece.choices[0].delta.content or "" for piece in pieces)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(ask, range(8)))
    assert [len(reply.split()) for reply in replies] == list(range(20, 28))


def test_more_at_once_than_the_daemon_takes_of_one_client(client: openai.OpenAI) -> None:
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        replies = list(pool.map(lambda n: say(client, user(f"tokens {n + 1}")), range(24)))
    assert [len(reply.split()) for reply in replies] == list(range(1, 25))


def test_nobody_without_the_key(api: Api) -> None:
    stranger = openai.OpenAI(base_url=api.base_url, api_key="sk-wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError, match="soul api"):
        stranger.models.list()
    with ollama.Client(api.at.url) as other, pytest.raises(ollama.ResponseError, match="soul api"):
        other.list()
    with httpx.Client(base_url=api.at.url, trust_env=False) as http:
        assert http.get("/health").json() == {"status": "ok"}
        assert http.get("/", headers={"Host": "evil.example"}).status_code == 403
    with api.http(Origin="https://evil.example") as page:
        assert page.get("/v1/models").status_code == 403
        assert "access-control-allow-origin" not in page.options("/v1/models").headers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b'{"model": "m", "messages": []}', 400),
        (b'{"model": "m", "messages": [{"role": "robot", "content": "hi"}]}', 400),
        (b" " * (8 * 1024 * 1024 + 1), 413),
    ],
    ids=["empty", "torn", "list", "bytes", "deep", "nobody", "robot", "large"],
)
def test_requests_that_are_none(api: Api, body: bytes, status: int) -> None:
    with api.http() as http:
        answer = http.post("/v1/chat/completions", content=body)
        assert answer.status_code == status and answer.json()["error"]["message"]
        assert http.get("/v1/nothing").json()["error"]["type"] == "invalid_request_error"
        assert http.get("/v1/chat/completions").status_code == 405


def test_ollama_says_which_models_there_are(llama: ollama.Client, soul: Client) -> None:
    begin_souls(soul, "rin")
    first = llama.list().models[0]
    assert first.model == MODEL and first.size and first.digest and len(first.digest) == 64
    shown = llama.show("tiny@rin")
    assert shown.details is not None and shown.details.family == "llama"
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 512
    assert shown.capabilities == ["completion"]
    with pytest.raises(ollama.ResponseError, match="no such body"):
        llama.show("llama3")


def test_ollama_chats_at_once_and_in_pieces(api: Api, llama: ollama.Client) -> None:
    said = llama.chat(f"{MODEL}:latest", [user("tokens 3")])
    assert (said.message.content, said.done_reason) == ("t0 t1 t2 ", "stop")
    assert (said.prompt_eval_count, said.eval_count) == (2, 3)
    pieces = list(llama.chat(MODEL, [user("tokens 3")], stream=True))
    assert "".join(piece.message.content or "" for piece in pieces) == "t0 t1 t2 "
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    options = {"num_predict": 5, "repeat_penalty": 1.3, "num_ctx": 99}
    sampling = json.loads(llama.chat(MODEL, [user("sampling")], options=options).message.content)
    assert (sampling["max_tokens"], sampling["repetition_penalty"]) == (5, 1.3)
    past = [user("one"), assistant("two"), user("messages")]
    seen = json.loads(llama.chat(MODEL, past).message.content or "")["messages"]
    assert seen[1:3] == [["user", "one"], ["assistant", "two"]]
    for order, stream in (("error busy", False), ("tokens 1;exit 3", True)):
        with pytest.raises(ollama.ResponseError):
            list(llama.chat(MODEL, [user(order)], stream=stream))


def test_ollama_generates_and_loads(llama: ollama.Client) -> None:
    said = llama.generate(MODEL, "messages", system="Rhyme.")
    assert json.loads(said.response)["messages"][0] == ["system", "Rhyme."]
    pieces = llama.generate(MODEL, "tokens 2", stream=True)
    assert "".join(piece.response for piece in pieces) == "t0 t1 "
    assert llama.generate(MODEL).done_reason == "load"
    assert [one.model for one in llama.ps().models] == [MODEL]
    assert llama.chat(MODEL, keep_alive=0).done_reason == "unload"
    assert llama.ps().models == []
    with pytest.raises(ollama.ResponseError, match="embeddings"):
        llama.embed(MODEL, "hi")
    with pytest.raises(ollama.ResponseError, match="thinking"):
        llama.chat(MODEL, [user("hi")], think=True)


def test_llm_from_the_command_line(api: Api, tmp_path: Path) -> None:
    model = {"model_id": "soul", "model_name": MODEL, "api_key_name": "soul"}
    told = json.dumps([{**model, "api_base": api.base_url}])
    (tmp_path / "extra-openai-models.yaml").write_text(told)
    words = ["-m", "llm", "-m", "soul", "--key", api.at.token, "--no-log", "hello there"]
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "LLM_USER_PATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["hello", "there"], done.stderr
    assert records(api, "hello there")


def test_soul_api_says_where_it_is(api: Api) -> None:
    soul = Soul(api.daemon.config)
    told = soul.json("api")
    assert told["base_url"] == api.base_url and told["models"][0] == MODEL
    assert soul("api", "--token").stdout == f"{api.at.token}\n"
    lines = soul("api").stdout
    assert api.base_url in lines and api.at.token in lines and MODEL in lines
