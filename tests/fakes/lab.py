"""A daemon with the Model Lab, and a browser for it: HTTP and the WebSocket, nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from soul_client.lab_door import LabDoor, read_door
from sould.plugin.frontend import SETTINGS_VARIABLE
from tests.fakes.daemon_process import DaemonProcess, Peer, running

_ids = count(1)


def lab_config(**settings: Any) -> str:
    """Return the section of a config, as the JSON that YAML is, too."""
    plugins = {"enabled": ["soul_lab"], "settings": {"soul_lab": {"port": 0, **settings}}}
    return f"plugins: {json.dumps(plugins)}"


def await_door(daemon: DaemonProcess, peer: Peer, timeout_s: float = 20.0) -> LabDoor:
    """Wait until the server of a daemon listens, and return where."""
    until = time.monotonic() + timeout_s
    while True:
        pids = {one.pid for one in peer.status().frontends if one.plugin == "soul_lab"}
        door = read_door(daemon.workspace)
        if door is not None and door.pid in pids:
            return door
        assert time.monotonic() < until, peer.status().frontends
        time.sleep(0.02)


class Browser:
    """Somebody who has been let in."""

    def __init__(self, door: LabDoor) -> None:
        self.door = door
        self.base = door.url.rstrip("/")
        self.host = self.base.removeprefix("http://")
        self.http = httpx.Client(base_url=self.base, trust_env=False, timeout=60)
        answer = self.http.get("/", params={"token": door.token})
        assert answer.status_code == 303, answer.text
        self.cookie = answer.headers["set-cookie"].split(";")[0]

    @contextlib.contextmanager
    def page(self, **headers: str) -> Iterator[Page]:
        """Open a page's WebSocket."""
        sent = {"Cookie": self.cookie, "Origin": self.base, **headers}
        with connect(
            f"ws://{self.host}/ws", additional_headers=sent, proxy=None, max_size=1 << 24
        ) as socket:
            yield Page(socket)

    def close(self) -> None:
        """Leave."""
        self.http.close()


class Page:
    """An open page: asks, and sorts what comes."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    def send(self, method: str, id: str = "", **params: Any) -> str:
        """Ask for something and return the request's id."""
        id = id or f"q{next(_ids)}"
        self.socket.send(json.dumps({"id": id, "method": method, "params": params}))
        return id

    def cancel(self, id: str) -> None:
        """Have a request end."""
        self.socket.send(json.dumps({"id": id, "cancel": True}))

    def next(self, holds: Callable[[dict[str, Any]], bool], timeout_s: float = 10) -> Any:
        """Read until a message fulfils a condition, and return it."""
        until = time.monotonic() + timeout_s
        while True:
            message = json.loads(self.socket.recv(until - time.monotonic()))
            self.seen.append(message)
            if holds(message):
                return message

    def answers(self, id: str) -> list[dict[str, Any]]:
        """Read to the end of a request and return all its messages."""
        self.next(lambda m: m.get("id") == id and m["kind"] in ("done", "error"))
        return [m for m in self.seen if m.get("id") == id]

    def ask(self, method: str, **params: Any) -> Any:
        """Ask and return the body of the result, or of the error."""
        return self.answers(self.send(method, **params))[-1]["body"]

    def event(self, name: str, timeout_s: float = 10) -> Any:
        """Wait for an event and return its data."""
        found = self.next(lambda m: m["kind"] == "event" and m["name"] == name, timeout_s)
        return found["data"]


@contextlib.contextmanager
def lab(
    folder: Path, config: str = "", *engine: str, **settings: Any
) -> Iterator[tuple[DaemonProcess, Peer, Browser]]:
    """Run a daemon with the lab, and let a browser in."""
    with running(folder, f"{config}\n{lab_config(**settings)}", *engine) as (daemon, peer):
        browser = Browser(await_door(daemon, peer))
        try:
            yield daemon, peer, browser
        finally:
            browser.close()


@contextlib.contextmanager
def by_hand(daemon: DaemonProcess) -> Iterator[Browser]:
    """Run the server beside a daemon, so that it outlives it, and let a browser in."""
    told = {"workspace": str(daemon.workspace), "port": 0, "host": "127.0.0.1", "hosts": []}
    environ = {
        **os.environ,
        "BIT_TTT_CONFIG": str(daemon.config),
        SETTINGS_VARIABLE: json.dumps(told),
    }
    server = subprocess.Popen([sys.executable, "-m", "soul_lab.serve"], env=environ)
    try:
        until = time.monotonic() + 20
        while (door := read_door(daemon.workspace)) is None or door.pid != server.pid:
            assert server.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        browser = Browser(door)
        yield browser
        browser.close()
    finally:
        server.terminate()
        assert server.wait(10) in (0, -signal.SIGTERM)
