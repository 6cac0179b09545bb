"""Who may come in: which names the server answers to, which pages may ask, who has the token.

A request is refused before anything of it but its head is read, unless its ``Host`` is one of ours
(a name that an attacker points to this machine is not), it comes from our own page (``Origin``,
``Sec-Fetch-Site``), and its cookie shows that the browser was once given the token.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soul_client.lab_door import ticket_expiry
from soul_lab.answers import refusal

POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "connect", "font")),
        "img-src 'self' data:",
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ENTRANCE = "/"
"""The one path that is answered without the cookie: there the token is shown."""
_OWN_PAGES = (None, "same-origin", "none")


class Door:
    """Tells who may come in. ``hosts``: the values of ``Host`` that mean us."""

    def __init__(self, *, token: str, port: int, hosts: Iterable[str]) -> None:
        self._token = token
        self._used: dict[str, float] = {}  # tickets, and when they expire
        self._hosts = frozenset(host.lower() for host in hosts)
        self.cookie_name = f"soul_lab_{port}"  # browsers do not tell ports apart
        self.cookie = hmac.new(token.encode(), b"cookie", hashlib.sha256).hexdigest()

    def lets_in(self, shown: str, *, now_s: float) -> bool:
        """Tell whether somebody shows the token, or a ticket that nobody has shown yet. Takes a
        time that does not tell how near they are.
        """
        if hmac.compare_digest(shown.encode("utf-8", "replace"), self._token.encode()):
            return True
        expires_s = ticket_expiry(self._token, shown, now_s=now_s)
        self._used = {one: until for one, until in self._used.items() if until > now_s}
        if expires_s is None or shown in self._used:
            return False
        self._used[shown] = expires_s
        return True

    def is_known(self, headers: Headers) -> bool:
        """Tell whether a browser has our cookie."""
        shown = cookie_parser(headers.get("cookie", "")).get(self.cookie_name, "")
        return hmac.compare_digest(shown.encode("utf-8", "replace"), self.cookie.encode())

    def is_ours(self, hosts: list[str], listening_at: str) -> bool:
        """Tell whether ``Host`` is there once and means us. ``listening_at``: the address and port
        that the connection came to; such a number cannot be made to mean another machine.
        """
        return len(hosts) == 1 and hosts[0].lower() in {*self._hosts, listening_at}

    def fault(self, scope: Scope) -> tuple[int, str]:
        """Return the status and the reason with which a request is refused; (0, ""): it is not."""
        headers = Headers(scope=scope)
        if not self.is_ours(headers.getlist("host"), listening_at(scope)):
            return 421, "this server does not go by that name"
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        is_visit = scope["path"] == ENTRANCE and headers.get("sec-fetch-mode") == "navigate"
        if not _is_own_page(headers, is_visit=is_visit and not changes, must_say=changes):
            return 403, "another page may not ask this"
        if scope["path"] != ENTRANCE and not self.is_known(headers):
            return 401, "this browser has not been let in: run 'soul lab'"
        return 0, ""


class Guard:
    """An application behind a door; every answer gets the headers that keep a page to itself."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        status, why = self._door.fault(scope)
        if not status:
            await self._app(scope, receive, send_dressed)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(status, "forbidden", why)(scope, receive, send_dressed)


def listening_at(scope: Scope) -> str:
    """Return address and port that a connection came to, as ``Host`` writes them."""
    address, port = scope["server"]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _is_own_page(headers: Headers, *, is_visit: bool, must_say: bool) -> bool:
    """Tell whether a request comes from our own page. ``is_visit``: a link may lead there from
    anywhere; ``must_say``: it has to have an ``Origin``.
    """
    if not is_visit and headers.get("sec-fetch-site") not in _OWN_PAGES:
        return False
    origins = headers.getlist("origin")
    if not origins:
        return not must_say
    host = headers["host"].lower()
    return len(origins) == 1 and origins[0].lower() in (f"http://{host}", f"https://{host}")
