"""Take a picture of every page, to be looked at: ``python -m tests.browser.screenshots [NAME…]``.

Each in English and Japanese, light and dark, on a desk and on a phone. The daemon is a real one
with the fake engine, in a workspace that has been lived in. A NAME is that of a page, or of a look
such as ``ja-light-desk``; Japanese needs a font for it on the machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize

from tests.bench.table import ROOT
from tests.browser.chromium import chromium
from tests.fakes.daemon_process import Peer, running
from tests.fakes.lab import await_door
from tests.fakes.lived_in import live_in

FOLDER = ROOT / "screenshots"
DESK: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}
MOST_HEIGHT = 2600
WAIT_MS = 120_000
PAGES = (
    "chat",
    "talk",
    "states",
    "lab",
    "sleep",
    "console",
    "plugins",
    "settings",
    "menu",
    "night",
)
Look = tuple[str, Literal["light", "dark"], ViewportSize]
LOOKS: dict[str, Look] = {
    "en-light-desk": ("en", "light", DESK),
    "en-dark-desk": ("en", "dark", DESK),
    "ja-light-desk": ("ja", "light", DESK),
    "en-light-phone": ("en", "light", PHONE),
    "ja-dark-phone": ("ja", "dark", PHONE),
}
PLUGINS = {
    "enabled": ["soul_nightly", "soul_notes", "soul_lab"],
    "settings": {"soul_lab": {"port": 0}},
}


def main(names: Sequence[str]) -> None:
    """Take the pictures; print where they are."""
    pages = [name for name in PAGES if name in names] or PAGES
    looks = [name for name in LOOKS if name in names] or list(LOOKS)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lab-") as folder, chromium() as browser:
        home = Path(folder)
        live_in(home / "workspace", datetime.now().astimezone())
        with running(home, f"plugins: {json.dumps(PLUGINS)}") as (daemon, peer):
            daemon.await_plugins()
            door = await_door(daemon, peer)
            _furnish(peer)
            for look in looks:
                _take(browser, f"{door.url}?token={door.token}", look, pages)
    print(FOLDER)


def _furnish(peer: Peer) -> None:
    """Add what only a daemon can: souls, something learned, something to sleep over."""
    peer.ask("soul.new", {"name": "mika"})
    peer.ask("soul.use", {"name": "default"})
    peer.say("sleep 90;My neighbour Ann keeps bees")


def _take(browser: Browser, url: str, look: str, names: Sequence[str]) -> None:
    language, scheme, size = LOOKS[look]
    context = browser.new_context(
        viewport=size, color_scheme=scheme, locale=language, reduced_motion="reduce"
    )
    try:
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("console", lambda line: print(line.text, file=sys.stderr))
        page.on("pageerror", lambda fault: print(fault.stack, file=sys.stderr))
        page.goto(url)
        page.wait_for_selector("body[data-state]:not([data-state=offline])")
        for name in names:
            page.set_viewport_size(size)
            _open(page, name)
            height = page.evaluate("document.querySelector('main').scrollHeight")
            if name not in ("chat", "menu"):
                fits = min(MOST_HEIGHT, max(size["height"], height + 60))
                page.set_viewport_size({"width": size["width"], "height": fits})
            page.wait_for_timeout(250)
            page.screenshot(path=FOLDER / f"{name}-{look}.png", timeout=WAIT_MS)
    finally:
        context.close()


def _open(page: Page, name: str) -> None:
    if name == "talk":
        page.evaluate("document.querySelector('.sessions a[title*=sourdough]').click()")
        page.wait_for_selector(".reply:nth-child(4) .prose > p")
    elif name == "states":
        _show_states(page)
    elif name == "menu":
        page.evaluate("document.querySelector('.top button').click()")
    else:
        page.evaluate("name => (location.hash = `#/${name}`)", "sleep" if name == "night" else name)
    if name == "night":
        _fall_asleep(page)
    page.wait_for_timeout(500)


def _show_states(page: Page) -> None:
    """A reply that used a note, one off the record, one that failed, one that is being made."""
    page.evaluate("location.hash = '#/chat'")
    _say(page, "What does my tortoise called Gherkin eat?")
    page.wait_for_selector(".reply:last-child .actions:not([hidden])")
    page.click(".toggle")
    _say(page, "Between you and me")
    page.wait_for_selector(".reply:last-child .actions:not([hidden])")
    page.click(".toggle")
    _say(page, "error no_memory")
    page.wait_for_selector(".fault:not([hidden])")
    page.evaluate("document.querySelector('.note').open = true")
    _say(page, "delay 0.05;Bees visit about fifty flowers; tokens 60")
    page.wait_for_timeout(700)


def _say(page: Page, text: str) -> None:
    page.fill(".composer textarea", text)
    page.press(".composer textarea", "Enter")


def _fall_asleep(page: Page) -> None:
    if page.evaluate("document.body.dataset.state") != "dreaming":
        page.evaluate("document.querySelector('.night .primary').click()")
    page.wait_for_selector("body[data-state=dreaming]")
    page.wait_for_timeout(1000)


if __name__ == "__main__":
    main(sys.argv[1:])
