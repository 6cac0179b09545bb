"""Who may ask: the Host, the Origin and the key of a request are looked at before all else."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from soul_openai.answers import refusal
from soul_openai.refusals import Refused
from soul_openai.settings import Settings, is_loopback

OPEN_TO_ALL = ("/", "/health", "/api/version")
"""What tells nobody anything, and is asked for without a key."""


class Guard:
    """Refuses a request before its body is read, or hands it on."""

    def __init__(self, app: ASGIApp, *, settings: Settings, token: str) -> None:
        self._app = app
        self._settings = settings
        self._token = token
        self._names = {"localhost", *map(str.lower, settings.hosts)}
        if settings.allow_remote:
            self._names.add(socket.gethostname().lower())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it pass, or answer it."""
        if scope["type"] == "http":
            why = self.refuses(scope["path"], Headers(scope=scope))
            if why is not None:
                await refusal(scope["path"], why)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def refuses(self, path: str, headers: Mapping[str, str]) -> Refused | None:
        """Return why a request is refused; None if it is not.

        A page in a browser that reaches us by a name of its own (DNS rebinding) has another
        Host; one of another site that posts here (CSRF) has another Origin.
        """
        host = headers.get("host", "")
        if not self._is_ours(host):
            return Refused(403, f"no host {host!a} is served here; see the setting 'hosts'")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return Refused(403, f"pages of {origin!a} may not ask here")
        if self._token and path not in OPEN_TO_ALL and not self._has_key(headers):
            return Refused(
                401, "a key is needed: 'soul api --token' prints it", code="invalid_api_key"
            )
        return None

    def _is_ours(self, host: str) -> bool:
        name = _without_port(host).lower()
        if name in self._names or is_loopback(name):
            return True
        return self._settings.allow_remote and _is_address(name)

    def _has_key(self, headers: Mapping[str, str]) -> bool:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(key.strip().encode(), self._token.encode())
        return scheme.lower() == "bearer" and is_right


def _without_port(host: str) -> str:
    """Return the name, or the address without its brackets. Pure."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    """Tell whether it is an address: no name is looked up for one, so none can be rebound."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
