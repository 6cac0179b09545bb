"""The parts of the Model Lab's server that need no server."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from soul_client import WireError, wire
from soul_client.codec import convert
from soul_client.http_frontend import listen
from soul_client.wire import Catalog, CatalogEntry, ErrorCode
from soul_lab import messages, methods, serve
from soul_lab.files import PageFiles
from soul_lab.local import Log
from soul_lab.outbox import MOST_ANSWERS, MOST_MESSAGES, Outbox
from sould.plugin.frontend import SETTINGS_VARIABLE

PATHS = {
    *("diary.import", "diary.feed", "body.train", "body.evaluate", "body.export"),
    "body.convert",
    *("soul.load", "soul.export", "soul.import", "soul.verify"),
}


def asked_with(**heads: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in heads.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


def test_a_page_may_ask_for_nothing_that_takes_a_path() -> None:
    allowed = methods.QUICK | methods.LASTING
    assert not allowed & (PATHS | {"daemon.shutdown"})
    for name in allowed & wire.RPC_METHODS.keys():
        fields = set(wire.RPC_METHODS[name][0].__struct_fields__)
        assert not fields & {"path", "file", "folder"}, name
    assert PATHS | allowed >= wire.RPC_METHODS.keys(), "a new method is allowed or not"


@pytest.mark.parametrize("name", [*sorted(PATHS), "daemon.shutdown", "", "nonsense", "lab.x"])
def test_what_is_not_allowed_is_refused(name: str) -> None:
    with pytest.raises(WireError) as refused:
        methods.call_of(name, {"path": "/etc/passwd", "source": "/etc/passwd"})
    assert refused.value.code is ErrorCode.UNKNOWN_METHOD


def test_parameters_are_checked() -> None:
    with pytest.raises(WireError, match="text") as refused:
        methods.call_of("chat.send", {"text": 7})
    assert refused.value.code is ErrorCode.BAD_REQUEST
    call = methods.call_of("chat.send", {"text": "a", "unknown": 1})
    assert (call.socket, call.method) == ("rpc", "chat.send")
    assert methods.call_of("daemon.status", {}).socket == "ctl"
    assert methods.call_of("lab.cancel", {"target": "sleep"}).params == wire.Cancel(target="sleep")


@pytest.mark.parametrize(
    "source", ["hf:org/name", "hf:org/name@main:f.gguf", "hf:a/b-c.d", "hf:../../etc/passwd"]
)
def test_what_is_on_the_hub_is_no_file(source: str) -> None:
    assert not methods.needs_catalog(methods.call_of("body.pull", {"source": source}))


@pytest.mark.parametrize(
    "source", ["/etc/passwd", "models", "~/x", "./x", "hf:a b", "pypi:x", "HF:a/b", "hf:", "a\n"]
)
def test_a_file_of_this_machine_is_not_pulled(source: str) -> None:
    call = methods.call_of("body.pull", {"source": source})
    assert methods.needs_catalog(call)
    entry = CatalogEntry(
        name="small",
        source="hf:a/b",
        licence="",
        parameters=1,
        download_bytes=1,
        memory_bytes=1,
        languages=[],
    )
    methods.require_listed(
        methods.call_of("body.pull", {"source": "small"}), Catalog(bodies=[entry])
    )
    with pytest.raises(WireError, match="neither in the catalog"):
        methods.require_listed(call, Catalog(bodies=[entry]))


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"[]", b"{}", b'{"id":""}', b'{"id":7}', b'{"id":"' + b"x" * 65 + b'"}', b"\xff"),
        *(b'{"id":"a","params":[]}', b'{"id":"a","method":null}', b'{"id":"\\ud800"}', b"{" * 9),
        *(b"[" * 100_000, b'{"id":"a","params":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"),
        *(b'{"id":"a","cancel":1}', b'{"id":"a"} {"id":"b"}', b'{"id":"a","params":{"x":NaN}}'),
    ],
)
def test_what_is_no_message_is_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(WireError, match="not a message"):
        messages.read(raw)


@given(st.binary(max_size=200))
def test_no_bytes_are_a_mess(raw: bytes) -> None:
    with pytest.raises(WireError):
        messages.read(raw)


def test_errors_have_a_code() -> None:
    refused = WireError(ErrorCode.BUSY, "m", "h")
    assert '"code":"busy"' in messages.error("a", refused) and '"id":"a"' in messages.error(
        "a", refused
    )


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.js").write_text("x = 1; // " + "long " * 300)
    (folder / "sub" / "b.svg").write_text("<svg/>")
    (tmp_path / "secret").write_text("token")
    return folder


def test_a_file_and_its_mark(page: Path) -> None:
    files = PageFiles(page)
    plain, zipped = (
        files.answer("a.js", asked_with(accept_encoding=e)) for e in ("br", "br, gzip")
    )
    assert plain.headers["content-type"].startswith("text/javascript")
    assert gzip.decompress(bytes(zipped.body)) == plain.body == (page / "a.js").read_bytes()
    assert zipped.headers["content-encoding"] == "gzip" and len(zipped.body) < len(plain.body)
    assert plain.headers["etag"] != zipped.headers["etag"]
    same = files.answer("a.js", asked_with(if_none_match=plain.headers["etag"]))
    assert (same.status_code, same.body) == (304, b"")
    svg = files.answer("sub/b.svg", asked_with(accept_encoding="gzip"))
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert "content-encoding" not in svg.headers, "it is not worth it"


def test_a_file_that_changes_is_read_anew(page: Path) -> None:
    files = PageFiles(page)
    before = files.answer("a.js", asked_with())
    (page / "a.js").write_text("y = 2;")
    os.utime(page / "a.js", (1, 1))
    after = files.answer("a.js", asked_with(if_none_match=before.headers["etag"]))
    assert (after.status_code, after.body) == (200, b"y = 2;")


def test_a_part_that_changes_is_joined_anew(page: Path) -> None:
    for folder, suffix in (("app", "js"), ("style", "css")):
        (page / folder).mkdir()
        (page / folder / f"part.{suffix}").write_text("before")
    (page / "app" / "main.js").write_text('import { a } from "./part.js";\n')
    (page / "style" / "main.css").write_text('@import "part.css";\n')
    files = PageFiles(page)
    for name in ("app/main.js", "style/main.css"):
        before = files.answer(name, asked_with())
        part = page / name.replace("main", "part")
        part.write_text("after")
        os.utime(part, (1, 1))
        after = files.answer(name, asked_with())
        assert b"before" in before.body and b"after" in after.body
        assert before.headers["etag"] != after.headers["etag"]


@pytest.mark.parametrize(
    "name",
    [
        *("../secret", "sub/../../secret", "..%2fsecret", "/etc/passwd", "sub", "", "A.js"),
        *("a.js/", "a.js\0", "sub\\b.svg", "./a.js", "sub//b.svg"),
    ],
)
def test_no_other_file_is_there(page: Path, name: str) -> None:
    assert PageFiles(page).answer(name, asked_with()).status_code == 404


async def test_answers_wait_while_a_page_is_slow() -> None:
    outbox = Outbox()
    for n in range(MOST_ANSWERS):
        await outbox.answer(str(n))
    waiting = asyncio.create_task(outbox.answer("late"))
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.tell("event")
    assert await outbox.next() == "0"
    await waiting
    said = [await outbox.next() for _ in range(MOST_ANSWERS + 1)]
    assert said == [*(str(n) for n in range(1, MOST_ANSWERS)), "event", "late"]


async def test_a_page_that_lags_is_cut_off() -> None:
    outbox = Outbox()
    blocked = [asyncio.create_task(outbox.answer(str(n))) for n in range(MOST_ANSWERS + 9)]
    for n in range(MOST_MESSAGES - MOST_ANSWERS + 9):
        outbox.tell(str(n))
        await asyncio.sleep(0)
    assert outbox.is_over.is_set()
    await asyncio.wait_for(asyncio.gather(*blocked), 1)
    await outbox.answer("after the end nobody waits")


def test_hostile_numbers_of_lines() -> None:
    for limit in (0, -1, 10**9, "1", 1.5, None):
        wrong: dict[str, Any] = {"limit": limit}
        with pytest.raises(WireError):
            convert(wrong, Log)


def test_what_is_sent_waits_for_no_acknowledgement() -> None:
    with (
        listen("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        told = {"workspace": "/w", "host": "127.0.0.1", "port": port, "hosts": []}
        monkeypatch.setenv(SETTINGS_VARIABLE, json.dumps(told))
        assert serve.main() == 1
    assert f"127.0.0.1 port {port} cannot be used" in capsys.readouterr().err
