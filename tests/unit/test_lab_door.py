"""Who is let into the Model Lab, and by which address."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_client import UnsafeFile
from soul_client.lab_door import (
    TICKET_S,
    LabDoor,
    door_file,
    entrance,
    read_door,
    ticket_expiry,
    write_door,
)
from soul_lab.door import POLICY, Door
from soul_lab.plugin import Settings, register_frontends
from soul_lab.serve import own_hosts, url_of
from sould.plugin import Home

TOKEN = "a-token-of-the-tests"
NOW_S = 1_800_000_000.0
HOST = "127.0.0.1:7412"
Head = tuple[str, str]


def door() -> Door:
    return Door(token=TOKEN, port=7412, hosts=[*own_hosts(7412), "Lab.example:443"])


def fault(*heads: Head, method: str = "GET", path: str = "/ws", kind: str = "http") -> int:
    """Return the status a request is refused with, 0 if it is not; it has the cookie."""
    cookie = ("cookie", f"{door().cookie_name}={door().cookie}")
    raw = [(name.encode(), value.encode("latin-1")) for name, value in (*heads, cookie)]
    scope: dict[str, Any] = {"type": kind, "path": path, "headers": raw}
    scope |= {"method": method, "server": ("192.0.2.7", 7412)}
    return door().fault(scope)[0]


def test_the_token_and_nothing_near_it() -> None:
    one = door()
    assert one.lets_in(TOKEN, now_s=NOW_S) and one.lets_in(TOKEN, now_s=NOW_S)
    for wrong in ("", TOKEN[:-1], f"{TOKEN} ", TOKEN.upper(), "\ud800", "é", one.cookie):
        assert not one.lets_in(wrong, now_s=NOW_S)


def test_a_ticket_is_good_once_and_for_a_while() -> None:
    lab = LabDoor(url="http://127.0.0.1:7412/", token=TOKEN)
    first, second = (entrance(lab, now_s=NOW_S) for _ in range(2))
    assert first.startswith("http://127.0.0.1:7412/?token=") and TOKEN not in first
    one, shown = door(), [url.partition("token=")[2] for url in (first, second)]
    assert shown[0] != shown[1]
    assert [one.lets_in(shown[0], now_s=NOW_S + 5) for _ in range(2)] == [True, False]
    assert one.lets_in(shown[1], now_s=NOW_S + TICKET_S - 1)
    assert not one.lets_in(shown[0], now_s=NOW_S + TICKET_S)
    late = entrance(lab, now_s=NOW_S).partition("token=")[2]
    assert not one.lets_in(late, now_s=NOW_S + TICKET_S)


def test_a_ticket_that_was_made_up_is_none() -> None:
    lab = LabDoor(url="u", token=TOKEN)
    good = entrance(lab, now_s=NOW_S).partition("token=")[2]
    expires, salt, seal = good.split(".")
    spoilt = [
        f"{int(expires) + 1}.{salt}.{seal}",
        f"{expires}.{salt[::-1]}.{seal}",
        f"{expires}.{salt}.{'0' * 64}",
        f"0{good}",
        f"{good} ",
        entrance(LabDoor(url="u", token="another"), now_s=NOW_S).partition("token=")[2],
        entrance(lab, now_s=NOW_S + 9 * TICKET_S).partition("token=")[2],
    ]
    assert ticket_expiry(TOKEN, good, now_s=NOW_S) == int(expires)
    assert [ticket_expiry(TOKEN, one, now_s=NOW_S) for one in spoilt] == [None] * len(spoilt)


@pytest.mark.parametrize(
    "host", [HOST, "localhost:7412", "LOCALHOST:7412", "[::1]:7412", "lab.example:443"]
)
def test_hosts_that_are_ours(host: str) -> None:
    assert fault(("host", host)) == 0


@pytest.mark.parametrize(
    "host",
    [
        *("", "evil.example", "evil.example:7412", "127.0.0.1", "localhost", "localhost:80"),
        *("127.0.0.1:7412.evil.example", "evil.example@127.0.0.1:7412", "127.0.0.1:07412"),
        *("0.0.0.0:7412", "127.1:7412", "lab.example", "localhost.:7412", " localhost:7412"),
    ],
)
def test_hosts_that_are_not(host: str) -> None:
    assert fault(("host", host)) == 421
    assert fault(("host", host), path="/") == 421


def test_one_host_and_no_more() -> None:
    assert fault() == 421
    assert fault(("host", HOST), ("host", HOST)) == 421


def test_the_number_a_connection_came_to_is_ours() -> None:
    assert fault(("host", "192.0.2.7:7412")) == 0
    assert fault(("host", "192.0.2.8:7412")) == 421


@pytest.mark.parametrize(
    "origin",
    [
        *("http://evil.example", "null", "", "http://127.0.0.1", "http://localhost:7412"),
        *("http://127.0.0.1:7413", "file://", "http://127.0.0.1:7412.evil.example"),
        *("http://127.0.0.1:7412/", "chrome-extension://127.0.0.1:7412"),
    ],
)
def test_other_pages_may_ask_nothing(origin: str) -> None:
    theirs = ("host", HOST), ("origin", origin)
    assert fault(*theirs, method="POST", path="/souls") == 403
    assert fault(*theirs, kind="websocket") == 403
    assert fault(*theirs, path="/souls/mika.soul") == 403


def test_our_own_page_may() -> None:
    ours = ("host", HOST), ("origin", f"http://{HOST}")
    assert fault(*ours, method="POST", path="/souls") == 0
    assert fault(*ours, kind="websocket") == 0
    assert fault(*ours, ours[1], kind="websocket") == 403
    secure = ("host", "lab.example:443"), ("origin", "https://lab.example:443")
    assert fault(*secure, kind="websocket") == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_who_changes_something_says_where_it_comes_from(method: str) -> None:
    assert fault(("host", HOST), method=method) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
def test_another_site_cannot_make_a_browser_ask(site: str) -> None:
    asked = ("host", HOST), ("sec-fetch-site", site), ("sec-fetch-mode", "navigate")
    assert fault(*asked, path="/souls/mika.soul") == 403
    assert fault(*asked, ("origin", f"http://{HOST}"), kind="websocket") == 403
    assert fault(*asked, path="/") == 0, "a link may lead to the page"
    embedded = ("host", HOST), ("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")
    assert fault(*embedded, path="/") == 403


@pytest.mark.parametrize("path", ["/ws", "/souls", "/app.js", "/index.html", "//", "/x/../"])
def test_without_the_cookie_there_is_only_the_entrance(path: str) -> None:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "server": ("127.0.0.1", 7412)}
    for cookie in ("", "soul_lab_7412=", "soul_lab_7412=x", f"soul_lab_7412={TOKEN}", "\xff"):
        raw = [(b"host", HOST.encode()), (b"cookie", cookie.encode("latin-1"))]
        assert door().fault({**scope, "headers": raw, "path": path})[0] == 401
    assert door().fault({**scope, "headers": raw, "path": "/"})[0] == 0


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_passes_for_a_host_or_an_origin(host: str, origin: str) -> None:
    heads = (
        ("host", host.encode("utf-8", "replace").decode("latin-1")),
        ("origin", f"http://{HOST}"),
    )
    assert fault(*heads, kind="websocket") == 421
    heads = ("host", HOST), ("origin", origin.encode("utf-8", "replace").decode("latin-1"))
    assert fault(*heads, kind="websocket") == 403


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    parts = dict(part.split(" ", 1) for part in POLICY.split("; "))
    assert parts.pop("img-src") == "'self' data:"
    assert parts == {
        "default-src": "'none'",
        **dict.fromkeys(("script-src", "style-src", "connect-src", "font-src"), "'self'"),
        **dict.fromkeys(("base-uri", "form-action", "frame-ancestors"), "'none'"),
    }


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", "nonsense", "localhost"])
def test_other_machines_only_if_somebody_says_so(host: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"host": host}, Settings)


def test_what_the_server_is_told() -> None:
    home = Home(config="/c", workspace="/w", language="en", version="1", daemon_id="d")
    settings = msgspec.convert(
        {"host": "0.0.0.0", "allow_remote": True, "hosts": ["a:1"]}, Settings
    )
    (frontend,) = register_frontends(home, settings)
    assert frontend.module == "soul_lab.serve"
    told = {"workspace": "/w", "port": 7412, "host": "0.0.0.0", "hosts": ["a:1"]}
    assert told.items() <= msgspec.json.decode(msgspec.json.encode(frontend.settings)).items()
    assert Settings().host == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1/"),
        ("::1", "http://[::1]:1/"),
        ("0.0.0.0", "http://127.0.0.1:1/"),
        ("::", "http://[::1]:1/"),
        ("192.0.2.7", "http://192.0.2.7:1/"),
    ],
)
def test_where_a_browser_finds_it(host: str, url: str) -> None:
    assert url_of(host, 1) == url


def test_the_token_is_kept_from_others(tmp_path: Path) -> None:
    assert read_door(tmp_path) is None
    told = LabDoor(url="http://127.0.0.1:1/", token=TOKEN, pid=7)
    write_door(tmp_path, told)
    path = door_file(tmp_path)
    assert read_door(tmp_path) == told and list(path.parent.iterdir()) == [path]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o640)
        with pytest.raises(UnsafeFile, match="chmod 600"):
            read_door(tmp_path)
        path.chmod(0o600)
    path.write_bytes(b'{"url": 7')
    assert read_door(tmp_path) is None
