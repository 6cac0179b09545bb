"""The page in a real browser, against a real daemon with the fake engine."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.chromium import chromium, chromium_path
from tests.fakes.daemon_process import DaemonProcess, Peer, running
from tests.fakes.lab import await_door

Served = tuple[DaemonProcess, Peer]
WAIT_MS = 30_000
GRACE_S = 10
"""For an engine that a browser leaves little of the machine."""
expect.set_options(timeout=WAIT_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot be tried here, and say why."""
    if chromium_path() is None:
        missing = pytest.mark.skip(reason="no Chromium on this machine: apt install chromium")
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(missing)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


class Lab:
    """A daemon with the lab, and pages of it. ``faults``: what went wrong in them."""

    def __init__(self, daemon: DaemonProcess, peer: Peer, context: BrowserContext) -> None:
        self.daemon = daemon
        self.peer = peer
        self.context = context
        self.faults: list[str] = []
        self.address = ""

    def open(self, place: str = "") -> Page:
        """Open a page that has reached the daemon; ``place``: ``lab``, ``chat/SESSION``."""
        if not self.address:
            door = await_door(self.daemon, self.peer)
            self.address = door.url
            entrance = f"{door.url}?token={door.token}"
        else:
            entrance = self.address
        page = self.context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda fault: self.faults.append(str(fault.stack)))
        page.on("console", lambda line: self._note(line.type, line.text))
        page.goto(f"{entrance}#/{place}")
        await_link(page)
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and "WebSocket" not in text and "Failed to load" not in text:
            self.faults.append(text)


@contextlib.contextmanager
def served(folder: Path, *engine: str, plugins: Sequence[str] = ()) -> Iterator[Served]:
    """Run a daemon with the lab. ``engine``: as in ``running``."""
    settings = {"soul_lab": {"port": free_port()}}
    config = {"enabled": [*plugins, "soul_lab"], "settings": settings}
    text = f"plugins: {json.dumps(config)}"
    with running(folder, text, *engine, grace_s=GRACE_S) as (daemon, peer):
        daemon.await_plugins()
        yield daemon, peer


@contextlib.contextmanager
def visited(served: Served, browser: Browser) -> Iterator[Lab]:
    """Let a new browser in; a fault in a page fails the test."""
    context = browser.new_context(locale="en", reduced_motion="reduce")
    try:
        lab = Lab(*served, context)
        yield lab
        assert lab.faults == []
    finally:
        context.close()


@pytest.fixture(scope="module")
def daemon_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("d")) as of_all:
        yield of_all


@pytest.fixture
def shared(daemon_of_all: Served, browser: Browser) -> Iterator[Lab]:
    """The lab of a daemon that a module's tests share."""
    with visited(daemon_of_all, browser) as lab:
        yield lab


@pytest.fixture
def lab(tmp_path: Path, browser: Browser) -> Iterator[Lab]:
    """A daemon of its own, with the lab."""
    with served(tmp_path) as own, visited(own, browser) as lab:
        yield lab


@pytest.fixture
def noted(tmp_path: Path, browser: Browser) -> Iterator[Lab]:
    """A daemon of its own that looks things up in the diary, with the lab."""
    with served(tmp_path, plugins=["soul_notes"]) as own, visited(own, browser) as lab:
        yield lab


def free_port() -> int:
    """Return a port that nobody uses: a daemon that comes back is to be found at the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_link(page: Page) -> None:
    """Wait until the page has reached the daemon."""
    page.wait_for_selector("body[data-state]:not([data-state=offline])")


def say(page: Page, text: str) -> None:
    """Type a message and send it."""
    page.fill(".composer textarea", text)
    page.press(".composer textarea", "Enter")


def await_reply(page: Page, text: str) -> None:
    """Wait until the last reply is whole and has a text in it."""
    last = page.locator(".transcript > .reply:last-child:has(.actions:not([hidden]))")
    expect(last.locator(".prose")).to_contain_text(text)


def texts(page: Page, selector: str) -> list[str]:
    """Return what all such elements say."""
    found: list[str] = json.loads(
        page.evaluate(
            "s => JSON.stringify([...document.querySelectorAll(s)].map(e => e.textContent.trim()))",
            selector,
        )
    )
    return found
