"""A daemon with the plugin soul_openai at work, for tests of its API."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct

from soul_client.errors import NotRunning
from soul_client.http_frontend import HttpFrontend, find
from sould.testing import daemon_process as testing
from tests.fakes.daemon_process import running

NAME = "soul_openai"


class Api(Struct):
    """A daemon, and where its API is."""

    daemon: testing.DaemonProcess
    at: HttpFrontend

    @property
    def base_url(self) -> str:
        return f"{self.at.url}/v1"

    def http(self, **headers: str) -> httpx.Client:
        """A client that shows the key, if there is one."""
        key = {"Authorization": f"Bearer {self.at.token}"} if self.at.token else {}
        return httpx.Client(
            base_url=self.at.url, headers={**key, **headers}, timeout=20, trust_env=False
        )


def plugin_config(text: str = "", **settings: Any) -> str:
    """Return a config that enables the plugin, on any port that is free."""
    plugins = {"enabled": [NAME], "settings": {NAME: {"port": 0, **settings}}}
    return f"plugins: {json.dumps(plugins)}\n{text}"


@contextlib.contextmanager
def serving(folder: Path, text: str = "", *engine: str, **settings: Any) -> Iterator[Api]:
    """Run a daemon with the fake engine and the API."""
    with running(folder, plugin_config(text, **settings), *engine) as (daemon, _):
        yield Api(daemon, await_api(daemon))


def await_api(daemon: testing.DaemonProcess, timeout_s: float = 40.0) -> HttpFrontend:
    """Wait until the frontend serves."""
    until = time.monotonic() + timeout_s
    while True:
        try:
            return find(daemon.workspace, NAME)
        except NotRunning:
            assert time.monotonic() < until, daemon.log()
            time.sleep(0.02)
