"""The pure parts of ``soul_openai``: conversations, models, who may ask, what is refused."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from soul_client import AsyncClient, ConnectionLost, DaemonError, UnsafeFile
from soul_client.wire import (
    BodyEntry,
    ChatDone,
    ChatMessage,
    ErrorCode,
    SessionHistory,
    SessionInfo,
    SessionList,
    SoulEntry,
    Usage,
)
from soul_openai import Settings
from soul_openai.app import make_app
from soul_openai.conversation import Conversation, conversation
from soul_openai.guard import Guard
from soul_openai.keys import read_or_make_token, token_file
from soul_openai.models import Model, known, wanted
from soul_openai.ollama_wire import Options
from soul_openai.openai_wire import ChatRequest, CompletionRequest
from soul_openai.refusals import Refused, openai_error, refused
from soul_openai.sessions import Place, Places, begins_with, has_title, place_in, whole

PLUGINS = Path(__file__).parents[2] / "plugins"
KEY = "sk-right"
BODY = BodyEntry(name="tiny", path="/m/tiny", format="hf", size_bytes=1)
BIG = BodyEntry(name="org/big@2", path="/m/big", format="hf", size_bytes=2)
SOULS = [
    SoulEntry(name="default", active=True, body="f1", body_name="tiny"),
    SoulEntry(name="mika", active=False),
    SoulEntry(name="torn", active=False, problem="damaged"),
]
NOW = Model(body="tiny", soul="default")


def said(*messages: str) -> list[ChatMessage]:
    roles = {"s": "system", "u": "user", "a": "assistant"}
    return [
        msgspec.convert({"role": roles[one[0]], "text": one[2:]}, ChatMessage) for one in messages
    ]


def test_the_last_message_is_what_is_said_and_the_rest_is_past() -> None:
    found = conversation(said("s:Be kind.", "u:one", "a:two", "u:three"))
    assert found == Conversation(text="three", history=said("u:one", "a:two"), system="Be kind.")
    assert conversation(said("u:one")).system is None


def test_what_one_side_says_in_a_row_is_one_message_and_blanks_are_none() -> None:
    found = conversation(said("u:a", "u:b", "a:c", "a: ", "a:d", "s:late", "u:e", "u:f"))
    assert found == Conversation(text="e\n\nf", history=said("u:a\n\nb", "a:c\n\nd"), system="late")


def test_a_greeting_goes_to_the_system_prompt() -> None:
    found = conversation(said("s:You are Mika.", "a:Hello, I am Mika!", "u:hi"))
    assert found.history == []
    assert found.system is not None
    assert found.system.startswith("You are Mika.") and "Hello, I am Mika!" in found.system


@pytest.mark.parametrize("messages", [[], ["a:hi"], ["u:one", "a:two"], ["u: "], ["s:only"]])
def test_the_user_must_have_the_last_word(messages: list[str]) -> None:
    with pytest.raises(Refused) as e:
        conversation(said(*messages))
    assert (e.value.status, e.value.param) == (400, "messages")


def test_souls_are_listed_on_the_bodies_they_fit() -> None:
    names = [one.model.id for one in known([BODY, BIG], SOULS, NOW)]
    assert names == ["tiny@default", "org/big@2@mika", "tiny@mika"]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("tiny", NOW),
        ("tiny@default", NOW),
        ("tiny@default:latest", NOW),
        ("tiny@mika", Model(body="tiny", soul="mika")),
        ("org/big@2@mika", Model(body="org/big@2", soul="mika")),
    ],
)
def test_what_a_name_means(name: str, model: Model) -> None:
    assert wanted(name, [BODY, BIG], SOULS, NOW) == model


def test_the_soul_in_use_on_another_body_that_it_fits() -> None:
    now = Model(body="tiny", soul="mika")
    assert wanted("org/big@2", [BODY, BIG], SOULS, now) == Model(body="org/big@2", soul="mika")


@pytest.mark.parametrize(
    "name", ["", "gpt-4o", "tiny@nobody", "big", "@mika", "org/big@2", "org/big@2@default"]
)
def test_a_name_that_means_nothing(name: str) -> None:
    with pytest.raises(Refused) as e:
        wanted(name, [BODY, BIG], SOULS, NOW)
    assert (e.value.status, e.value.code) == (404, "model_not_found")


def guard(**settings: Any) -> Guard:
    return Guard(Starlette(), settings=Settings(**settings), token=KEY)


def status(guard: Guard, host: str, path: str = "/v1/models", **headers: str) -> int:
    """Return what a request that shows the key is answered with; 200: it is let pass."""
    shown = {"authorization": f"Bearer {KEY}", "host": host, **headers}
    why = guard.refuses(path, shown)
    return why.status if why else 200


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:11435", 200),
        ("localhost", 200),
        ("LOCALHOST:11435", 200),
        ("[::1]:11435", 200),
        ("127.9.9.9", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:11435", 403),
        ("localhost.evil.example", 403),
        ("192.168.1.5:11435", 403),
        ("", 403),
    ],
)
def test_a_page_that_was_rebound_is_refused(host: str, code: int) -> None:
    assert status(guard(), host) == code


def test_other_hosts_where_others_may_reach_it() -> None:
    remote = guard(host="0.0.0.0", allow_remote=True, hosts=["Soul.example"])
    assert status(remote, "192.168.1.5:11435") == status(remote, "soul.example") == 200
    assert status(remote, "evil.example") == 403


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        ("http://localhost:11435", 200),
        ("http://localhost:3000", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_sites_may_not_ask(origin: str, code: int) -> None:
    assert status(guard(), "localhost:11435", origin=origin) == code


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (f"Bearer {KEY}", 200),
        (f"bearer  {KEY} ", 200),
        (KEY, 401),
        (f"Basic {KEY}", 401),
        ("Bearer sk-wrong", 401),
        ("Bearer schlüssel", 401),
        ("Bearer", 401),
        ("", 401),
    ],
)
def test_the_key(authorization: str, code: int) -> None:
    assert status(guard(), "localhost", authorization=authorization) == code
    assert status(guard(), "localhost", "/health", authorization=authorization) == 200


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    token = read_or_make_token(tmp_path)
    assert token.startswith("sk-") and len(token) > 40
    assert read_or_make_token(tmp_path) == token
    assert token_file(tmp_path).stat().st_mode & 0o777 == 0o600
    token_file(tmp_path).chmod(0o644)
    with pytest.raises(UnsafeFile):
        read_or_make_token(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"host": "0.0.0.0"}, "allow_remote"),
        ({"host": "example.org"}, "allow_remote"),
        ({"host": "::", "allow_remote": True, "token": "none"}, "token"),
        ({"port": 70000}, "port"),
        ({"token": "maybe"}, "token"),
        ({"ports": 1}, "ports"),
    ],
)
def test_settings_that_are_wrong_are_named(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=told):
        msgspec.convert(wrong, Settings)


@pytest.mark.parametrize(
    "field",
    [
        {"n": 2},
        {"tools": [{"type": "function"}]},
        {"functions": [{"name": "f"}]},
        {"modalities": ["text", "audio"]},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"presence_penalty": 0.5},
        {"frequency_penalty": -1},
        {"logit_bias": {"50256": -100}},
        {"temperature": -1},
        {"top_p": 2},
        {"max_tokens": 0},
    ],
)
def test_what_cannot_be_had_is_refused_by_its_name(field: dict[str, Any]) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **field}
    wants = msgspec.convert(body, ChatRequest)
    with pytest.raises(Refused) as e:
        wants.check()
        wants.sampling(wants.max_tokens)
    assert (e.value.status, e.value.param) == (400, next(iter(field)))


def test_what_is_left_open_is_left_to_the_config() -> None:
    body = {"model": "m", "prompt": "hi", "stop": ["", "x"], "presence_penalty": 0, "user": "u"}
    sampling = msgspec.convert(body, CompletionRequest).sampling(None)
    assert sampling.stop == ["x"]
    assert {getattr(sampling, n) for n in sampling.__struct_fields__ if n != "stop"} == {None}


@pytest.mark.parametrize("content", [[{"type": "image_url", "image_url": {}}], [{"type": "audio"}]])
def test_bodies_read_text_only(content: Any) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    with pytest.raises(Refused, match="text only"):
        msgspec.convert(body, ChatRequest).messages[0].spoken()


def test_a_message_in_parts_is_one_text() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    body = {"model": "m", "messages": [{"role": "developer", "content": parts}]}
    assert msgspec.convert(body, ChatRequest).messages[0].spoken() == said("s:one\ntwo")[0]


def test_options_of_ollama_by_their_own_names() -> None:
    options = msgspec.convert(
        {"num_predict": -1, "repeat_penalty": 1.2, "repeat_last_n": -1, "num_ctx": 8192}, Options
    )
    sampling = options.sampling()
    assert (sampling.max_tokens, sampling.repetition_penalty) == (None, 1.2)
    assert sampling.repetition_window == 1_000_000
    assert Options(num_predict=7).sampling().max_tokens == 7


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.BUSY, 429),
        (ErrorCode.PROMPT_TOO_LONG, 400),
        (ErrorCode.TOO_LARGE, 413),
        (ErrorCode.SOUL_MISMATCH, 400),
        (ErrorCode.SHUTTING_DOWN, 503),
        (ErrorCode.ENGINE_DIED, 500),
    ],
)
def test_errors_of_the_daemon(code: ErrorCode, status: int) -> None:
    why = refused(DaemonError(code, "what", "do this"))
    assert (why.status, why.message) == (status, "what (do this)")
    assert refused(ConnectionLost("gone")).status == 503
    assert openai_error(why)["error"]["message"] == "what (do this)"


class Diary:
    """Stands in for the client: sessions, and what was said in them."""

    def __init__(self, **sessions: list[ChatMessage]) -> None:
        self.held = sessions
        self.reads = 0

    async def sessions(self) -> SessionList:
        self.reads += 1
        listed = [
            SessionInfo(session=name, turns=1, last_ts="", title=said[0].text)
            for name, said in self.held.items()
        ]
        return SessionList(sessions=listed)

    async def session(self, name: str) -> SessionHistory:
        return SessionHistory(session=name, messages=self.held[name])


def places(**sessions: list[ChatMessage]) -> Places:
    return Places(cast(AsyncClient, Diary(**sessions)))


def done(text: str, turn: str, session: str = "s1") -> ChatDone:
    return ChatDone(session=session, text=text, finish="stop", usage=Usage(), turn=turn)


async def test_a_conversation_stays_in_its_session() -> None:
    known = places()
    assert await known.find([]) is None
    known.note([], "one", done("two ", "t1"))
    past = said("u:one", "a:two")
    assert await known.find(past) == Place(session="s1")
    known.note(past, "three", done("four", "t2"))
    longer = [*past, *said("u:three", "a:four")]
    assert await known.find(longer) == Place(session="s1")
    edited = [*past, *said("u:three", "a:something else")]
    trimmed = said("u:three", "a:four")
    assert await known.find(edited) == await known.find(trimmed) == Place(session="s1")


async def test_what_is_said_from_the_same_point_again_takes_the_place_of_the_first() -> None:
    known = places()
    known.note([], "one", done("two", "t1"))
    past = said("u:one", "a:two")
    for turn in ("t2", "t3"):
        known.note(past, "three", done("four", turn))
        assert await known.find(past) == Place(session="s1", next=turn)


async def test_what_was_never_said_here_takes_nobodys_place() -> None:
    known = places(s9=said("u:one", "a:other"))
    examples = said("u:one", "a:two")
    for turn in ("t1", "t2"):
        place = await known.find(examples)
        assert place is not None and place.session.startswith("api-") and not place.next
        known.note(examples, "three", done("four", turn, place.session))


async def test_after_a_restart_the_diary_tells_it() -> None:
    held = said("u:one", "a:two and more", "u:three", "a:four")
    held[2] = msgspec.structs.replace(held[2], id="t2")
    known = places(s0=said("u:one", "a:no"), s1=held)
    assert await known.find(held[:2]) == Place(session="s1", next="t2")
    assert await known.find(held) == Place(session="s1")
    stopped = said("u:one", "a:two and")
    assert await known.find(stopped) == Place(session="s1")


def test_points_of_a_session() -> None:
    held = said("u:one", "a:two", "u:three", "a:four")
    assert begins_with(held, said("u:one ", "a: two")) and not begins_with(held[:1], held)
    assert place_in("s", held, said("u:one", "a:2")) == Place(session="s")
    assert whole(said("u:a", "a:bc")) != whole(said("u:ab", "a:c"))
    info = SessionInfo(session="s", turns=1, last_ts="", title="Tell me…")
    assert has_title(info, "Tell me\nabout it") and not has_title(info, "Tell him")


def test_what_is_served_and_what_may_be_set_is_documented() -> None:
    app = make_app(cast(AsyncClient, Diary()), Settings(), KEY)
    told = (PLUGINS / "API.md").read_text("utf-8")
    paths = {route.path.replace(":path", "") for route in app.routes if isinstance(route, Route)}
    assert paths == set(re.findall(r"`(?:GET|POST) (/[^`]*)`", told))
    (row,) = [
        one for one in (PLUGINS / "README.md").read_text("utf-8").split("\n| ") if "_openai" in one
    ]
    for name, value in msgspec.to_builtins(Settings()).items():
        shown = str(value).lower() if isinstance(value, bool) else value
        assert f"`{name}: {shown}`" in row


def test_a_port_that_somebody_else_has_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        told = {"port": port, "workspace": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "soul_openai.serve"],
            env={**os.environ, "BIT_TTT_FRONTEND_SETTINGS": json.dumps(told)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"127.0.0.1 port {port} cannot be had: ")


@pytest.mark.parametrize("option", [{"mirostat": 2}, {"typical_p": 0.7}, {"tfs_z": 0.5}])
def test_how_ollama_samples_else_is_refused_by_its_name(option: dict[str, float]) -> None:
    (name,) = option
    with pytest.raises(Refused, match="only") as e:
        msgspec.convert(option, Options).sampling()
    assert e.value.param == name
    assert msgspec.convert({"mirostat": 0, "typical_p": 1, "tfs_z": 1.0}, Options).sampling()
