"""The Model Lab's server: who is let in, and the way from a page to the daemon and back."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from soul_lab.app import MOST_PAGES
from soul_lab.soul_files import MOST_BYTES
from sould.soulfile import record
from tests.fakes.daemon_process import DaemonProcess, Peer, running, write_config
from tests.fakes.lab import Browser, Page, await_door, by_hand, lab, lab_config
from tests.fakes.soul_process import SOUL, Soul
from tests.fakes.soul_watch import await_soul, is_done
from tests.fakes.souls import make_soul
from tests.fakes.terminal import in_terminal

Lab = tuple[DaemonProcess, Peer, Browser]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("d")) as opened:
        yield opened


@pytest.fixture
def browser(shared: Lab) -> Browser:
    return shared[2]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.page() as opened:
        yield opened


def raw_get(browser: Browser, target: str, **heads: str) -> tuple[int, str]:
    """Ask for a path exactly as it is written."""
    connection = HTTPConnection(browser.host, timeout=10)
    connection.putrequest("GET", target, skip_accept_encoding=True)
    for name, value in {"Cookie": browser.cookie, **heads}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def post(browser: Browser, body: Any, name: str = "", **heads: str) -> httpx.Response:
    headers = {"Origin": browser.base, **heads}
    return browser.http.post("/souls", content=body, params={"name": name}, headers=headers)


def soul_bytes(folder: Path) -> bytes:
    record.write(folder / "x.soul", make_soul())
    return (folder / "x.soul").read_bytes()


def left_over(daemon: DaemonProcess) -> list[Path]:
    """Return what lies where files on their way do; what was just sent may take a moment to go."""
    folder = daemon.workspace / "cache" / "plugins" / "soul_lab"
    until = time.monotonic() + 5
    while (found := list(folder.iterdir())) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def test_the_entrance(browser: Browser) -> None:
    answer = httpx.get(f"{browser.base}/", params={"token": browser.door.token}, trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert browser.door.token not in cookie and browser.door.token not in answer.text
    for shown in ({}, {"token": "wrong"}, {"token": ""}, {"token": "\u65e5"}):
        outside = httpx.get(f"{browser.base}/", params=shown, trust_env=False)
        assert outside.status_code == 401 and "soul lab" in outside.text
        assert "set-cookie" not in outside.headers
    for path in ("/index.html", "/souls/default.soul", "/nothing"):
        assert httpx.get(f"{browser.base}{path}", trust_env=False).status_code == 401


def test_every_answer_has_the_headers(browser: Browser) -> None:
    answers = [browser.http.get(path) for path in ("/", "/nothing", "/souls/nobody.soul")]
    answers += [
        httpx.get(f"{browser.base}/", trust_env=False),
        httpx.get(f"{browser.base}/x", trust_env=False),
        browser.http.get("/", headers={"Host": "evil.example"}),
    ]
    assert [a.status_code for a in answers] == [200, 404, 404, 401, 401, 421]
    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers


def test_the_page_is_not_sent_twice(browser: Browser) -> None:
    answer = browser.http.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    again = browser.http.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "target",
    [
        *("/../plugin.py", "/..%2fplugin.py", "/%2e%2e/plugin.py", "//etc/passwd", "/.%00/x"),
        *("/souls/..%2f..%2fx.soul", "/souls/%2e%2e.soul", "/souls/a%00b.soul", "/souls/.soul"),
        *("/souls/%2fetc%2fpasswd.soul", "/index.html%00.js", "/" + "a" * 5000),
    ],
)
def test_nothing_else_is_there(browser: Browser, target: str) -> None:
    status, text = raw_get(browser, target)
    assert status in (400, 404), text
    assert "root:" not in text and "hookimpl" not in text


def test_the_server_goes_by_no_other_name(browser: Browser) -> None:
    connection = HTTPConnection(browser.host, timeout=10)
    connection.putrequest("GET", "/", skip_host=True)
    connection.putheader("Host", f"evil.example:{browser.host.partition(':')[2]}")
    connection.putheader("Cookie", browser.cookie)
    connection.endheaders()
    assert connection.getresponse().status == 421
    connection.close()


@pytest.mark.parametrize(
    "heads",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Cookie": ""},
        {"Cookie": "soul_lab_7412=x"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_no_other_page_gets_a_socket(browser: Browser, heads: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refused, browser.page(**heads):
        pass
    assert refused.value.response.status_code in (400, 403)


def test_a_socket_without_an_origin_is_refused(browser: Browser) -> None:
    heads = {"Cookie": browser.cookie}
    with (
        pytest.raises(InvalidStatus),
        connect(f"ws://{browser.host}/ws", additional_headers=heads, proxy=None),
    ):
        pass


def test_other_pages_post_nothing(shared: Lab, tmp_path: Path) -> None:
    daemon, _, browser = shared
    for heads in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
        assert post(browser, soul_bytes(tmp_path), **heads).status_code in (403, 421)
    bare = browser.http.post("/souls", content=b"x")
    assert bare.status_code == 403
    assert browser.http.put("/souls", headers={"Origin": browser.base}).status_code == 405
    assert left_over(daemon) == []


def test_how_things_stand_is_told_at_once(page: Page, shared: Lab) -> None:
    up = page.next(lambda m: True)
    assert (up["kind"], up["up"]) == ("link", True)
    state = page.event("state")
    assert state["daemon_id"] == up["daemon"] and state["pid"] == shared[1].status().pid


def test_what_changed_since_the_last_state_is_told_at_once(browser: Browser, shared: Lab) -> None:
    ask = shared[1].ask
    with browser.page() as watching:
        watching.event("state")
        ask("soul.new", {"name": "newest"})
        watching.next(lambda m: m.get("name") == "soul" and m["data"]["name"] == "newest")
    with browser.page() as page:
        first = page.event("state")
        page.event("state")  # as it is now
    later = [one["data"]["name"] for one in page.seen if one.get("name") == "soul"]
    assert [first["soul"]["name"], *later][-1] == "newest"
    ask("soul.use", {"name": "default"})


def test_a_reply_comes_as_it_is_said(page: Page) -> None:
    answers = page.answers(page.send("chat.send", text="tokens 3"))
    assert [one["kind"] for one in answers if one["kind"] != "progress"][:2] == ["ack", "chunk"]
    assert answers[0]["request"] and answers[0]["body"]["session"]
    said = "".join(one["body"]["text"] for one in answers if one["kind"] == "chunk")
    done = answers[-1]["body"]
    assert (answers[-1]["kind"], done["text"]) == ("done", said) and len(said.split()) == 3
    again = page.ask("session.get", session=done["session"])
    assert [one["role"] for one in again["messages"]] == ["user", "assistant"]


def test_a_page_hears_what_others_do(page: Page, browser: Browser, shared: Lab) -> None:
    with browser.page() as other:
        page.event("state"), other.event("state")
        done = page.ask("chat.send", text="hello")
        assert other.event("turn")["session"] == done["session"]
        shared[1].say("from the terminal")
        assert other.event("turn")["session"] != done["session"]


def test_a_page_changes_a_setting_and_others_hear_of_it(page: Page, browser: Browser) -> None:
    with browser.page() as other:
        other.event("state")
        page.ask("config.set", key="chat.temperature", value=0.25)
        assert other.event("config")["applied"] == ["chat.temperature"]
        assert page.ask("config.show")["values"]["chat"]["temperature"] == 0.25
        refused = page.ask("config.set", key="plugins.enabled", value=["evil"])
        assert refused["code"] == "bad_request"


def test_errors_are_the_daemons_own(page: Page) -> None:
    assert page.ask("session.get", session="none-such")["code"] == "not_found"
    assert page.ask("chat.send", text="")["code"] == "bad_request"
    assert page.ask("chat.send", text="error no_memory")["code"] == "no_memory"
    for method in ("soul.import", "diary.feed", "daemon.shutdown", "nonsense"):
        assert page.ask(method, path="/etc/passwd")["code"] == "unknown_method"
    refused = page.ask("body.pull", source="/etc")
    assert (refused["code"], "soul body pull PATH" in refused["hint"]) == ("bad_request", True)


def test_what_is_no_message_is_answered(page: Page) -> None:
    for raw in (
        "",
        "[]",
        "{}",
        '{"id":7}',
        "x" * 1000,
        "[" * 50_000,
        b"\xff\xfe",
        '{"id":"\\ud800"}',
    ):
        page.socket.send(raw)
        answer = page.next(lambda m: m["kind"] == "error")
        assert (answer["id"], answer["body"]["code"]) == ("", "bad_request")
    assert page.ask("daemon.status")["state"], "and the page goes on"


def test_a_message_that_is_too_long_ends_the_page(browser: Browser) -> None:
    with browser.page() as page, pytest.raises(ConnectionClosed):
        page.socket.send("x" * ((4 << 20) + 1))
        page.next(lambda m: False)
    with browser.page() as page:
        assert page.ask("daemon.status")["state"]


def test_an_id_is_taken_once_at_a_time(page: Page) -> None:
    page.send("chat.send", id="a", text="delay 0.05; tokens 100")
    page.next(lambda m: m["kind"] == "chunk")
    page.send("chat.send", id="a", text="hello")
    refused = page.next(lambda m: m["kind"] == "error")
    assert refused["id"] == "" and "a is under way" in refused["body"]["message"]
    page.cancel("a")
    assert page.answers("a")[-1]["body"]["finish"] == "cancelled"


def test_requests_have_a_limit(page: Page) -> None:
    ids = [page.send("chat.send", text="delay 0.1; tokens 100") for _ in range(33)]
    assert page.answers(ids[-1])[-1]["body"]["code"] == "busy"
    page.ask("lab.cancel", target="all")


@pytest.mark.parametrize("is_at_once", [True, False])
def test_stop(page: Page, is_at_once: bool) -> None:
    asked = page.send("chat.send", text="delay 0.02; tokens 1000")
    if not is_at_once:
        page.next(lambda m: m["kind"] == "chunk")
    page.cancel(asked)
    last = page.answers(asked)[-1]["body"]
    assert last.get("finish", last.get("code")) == "cancelled"
    page.cancel("what-never-was")
    assert page.ask("daemon.status")["state"]


def test_pages_have_a_limit(browser: Browser) -> None:
    with contextlib.ExitStack() as pages:
        for _ in range(MOST_PAGES):
            pages.enter_context(browser.page()).event("state")
        with pytest.raises(InvalidStatus), browser.page():
            pass
    with browser.page() as page:
        assert page.ask("daemon.status")["state"]


def test_a_closed_page_stops_talking(browser: Browser, shared: Lab) -> None:
    with browser.page() as page:
        page.send("chat.send", text="delay 0.02; tokens 5000")
        page.next(lambda m: m["kind"] == "chunk")
    shared[1].await_status(lambda s: not any(r.method == "chat.send" for r in s.requests))


def test_any_request_is_stopped_by_the_daemons_id(page: Page, shared: Lab) -> None:
    peer = shared[1]
    id_ = peer.chat("delay 0.02; tokens 5000")
    peer.await_chunk(id_)
    assert page.ask("lab.cancel", target=id_) == {"ids": [id_]}
    assert peer.finish(id_)["finish"] == "cancelled"


def test_markdown_and_the_log(page: Page) -> None:
    assert (
        page.ask("lab.render", text="**a** <b>")["html"] == "<p><strong>a</strong> &lt;b&gt;</p>\n"
    )
    assert page.ask("lab.render", text="x" * 50_001)["code"] == "bad_request"
    assert page.ask("lab.render")["code"] == "bad_request"
    page.ask("body.unload")
    page.ask("chat.send", text="my secret words")
    lines = page.ask("lab.log", limit=2000)["lines"]
    assert lines and {"ts", "level", "logger", "message"} <= lines[-1].keys()
    assert "secret" not in json.dumps(lines)
    assert page.ask("lab.log", limit=1)["lines"] == page.ask("lab.log", limit=2000)["lines"][-1:]


def test_a_soul_goes_out_and_comes_in(shared: Lab, page: Page) -> None:
    daemon, peer, browser = shared
    peer.say("one two")
    await_soul(peer, is_done)
    out = browser.http.get("/souls/default.soul")
    assert out.status_code == 200 and out.headers["content-type"] == "application/octet-stream"
    assert out.headers["content-disposition"] == "attachment; filename*=UTF-8''default.soul"
    taken = post(browser, out.content, "back-again")
    assert (taken.status_code, taken.json()["name"]) == (200, "back-again")
    assert "path" not in taken.json()
    assert "back-again" in [one["name"] for one in page.ask("soul.list")["souls"]]
    assert browser.http.head("/souls/back-again.soul").headers["content-length"]
    assert left_over(daemon) == []


def test_hostile_uploads(shared: Lab, tmp_path: Path) -> None:
    daemon, _, browser = shared
    good = soul_bytes(tmp_path)
    for body in (b"", good[:-9], good.replace(b"mika", b"m/ka")):
        answer = post(browser, body, "hostile")
        assert answer.status_code == 422, answer.text
        assert answer.json()["error"]["code"] == "soul_invalid"
        assert str(daemon.workspace) not in answer.json()["error"]["message"]
    for name in ("../x", "a b", "con"):
        assert post(browser, good, name).status_code in (400, 422), name
    assert left_over(daemon) == []
    assert not list(daemon.workspace.parent.rglob("hostile*"))


def test_uploads_have_a_limit(shared: Lab) -> None:
    daemon, _, browser = shared
    host, _, port = browser.host.partition(":")
    head = (
        f"POST /souls HTTP/1.1\r\nHost: {browser.host}\r\nCookie: {browser.cookie}\r\n"
        f"Origin: {browser.base}\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(f"{head}Content-Length: {MOST_BYTES + 1}\r\n\r\n".encode())
        assert b" 413 " in raw.recv(200)

    with socket.create_connection((host, int(port)), timeout=20) as raw:
        raw.sendall(f"{head}Content-Length: 100\r\n\r\nhalf".encode())
    assert post(browser, b"x").status_code == 422, "one that broke off holds nobody up"
    assert left_over(daemon) == []


def test_it_listens_here_only(browser: Browser) -> None:
    port = int(browser.host.partition(":")[2])
    with pytest.raises(OSError), socket.create_connection(("127.0.0.2", port), timeout=2):
        pass


def test_two_daemons_later_the_browser_is_still_known(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with lab(tmp_path, port=port) as (daemon, _, browser), browser.page() as page:
        page.send("chat.send", text="delay 0.02; tokens 5000")
        page.next(lambda m: m["kind"] == "chunk")
        daemon.kill()
        with pytest.raises(ConnectionClosed):
            page.next(lambda m: False)
        with running(tmp_path, lab_config(port=port)) as (again, other):
            await_door(again, other)
            with browser.page() as back:
                assert back.ask("chat.send", text="hello")["text"]


def test_a_server_that_stays_finds_the_next_daemon(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, _), by_hand(daemon) as browser, browser.page() as page:
        first = page.next(lambda m: m.get("up") is True)["daemon"]
        asked = page.send("chat.send", text="delay 0.02; tokens 5000")
        page.next(lambda m: m["kind"] == "chunk")
        daemon.kill()
        assert page.answers(asked)[-1]["body"]["code"] == "disconnected"
        if not any(m.get("up") is False for m in page.seen):
            page.next(lambda m: m.get("up") is False)
        assert page.ask("chat.send", text="hello")["code"] == "disconnected"
        with running(tmp_path):
            assert page.next(lambda m: m.get("up") is True)["daemon"] != first
            assert page.event("state")["daemon_id"] != first
            assert page.ask("chat.send", text="hello")["text"]


def test_a_night_outlasts_its_page(browser: Browser, shared: Lab) -> None:
    peer = shared[1]
    peer.say("sleep 1.5")
    await_soul(peer, is_done)
    with browser.page() as page:
        asked = page.send("soul.sleep")
        page.next(lambda m: m.get("id") == asked and m["kind"] == "progress")
    peer.await_status(lambda s: s.state == "dreaming")
    peer.await_status(lambda s: s.state != "dreaming")
    assert peer.ask("soul.report")["outcome"] == "kept"


def test_soul_lab_from_nothing_to_the_page(tmp_path: Path) -> None:
    """Enabled when somebody says yes; a browser is opened with an address that is good once."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o700)
    soul = Soul(write_config(tmp_path, "plugins: {settings: {soul_lab: {port: 0}}}"))
    try:
        with in_terminal([*SOUL, "lab"], {**soul.env, "BROWSER": str(browser)}) as terminal:
            terminal.wait_for("Enable it?")
            assert "enabled" not in soul.config.read_text()
            terminal.type("y\n")
            assert terminal.wait(60) == 0, terminal.screen
        assert "enabled: [soul_lab]" in soul.config.read_text()
        address = opened.read_text().strip()
        assert httpx.get(address, trust_env=False).status_code == 303
        assert httpx.get(address, trust_env=False).status_code == 401, "a ticket is good once"
        other = soul.json("lab")["url"]
        assert httpx.get(other, trust_env=False).status_code == 303
    finally:
        soul("down")
