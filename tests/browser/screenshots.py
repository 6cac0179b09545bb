"""Take a picture of every page, to be looked at: ``python -m tests.browser.screenshots [PAGE…]``.

Each in English and Japanese, light and dark, on a desk and on a phone. The daemon is a real one with
the fake engine, in a workspace that has been lived in.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize

from tests.bench.table import ROOT
from tests.browser.chromium import chromium
from tests.fakes.lab import lab
from tests.fakes.lived_in import live_in

FOLDER = ROOT / "screenshots"
DESK: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}
PAGES = ("chat", "talk", "lab", "sleep", "console", "plugins", "settings")
Look = tuple[str, Literal["light", "dark"], ViewportSize]
LOOKS: list[Look] = [
    ("en", "light", DESK),
    ("en", "dark", DESK),
    ("ja", "light", DESK),
    ("en", "light", PHONE),
    ("ja", "dark", PHONE),
]


def main(names: Sequence[str]) -> None:
    """Take the pictures; print where they are."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lab-") as folder, chromium() as browser:
        home = Path(folder)
        live_in(home / "workspace", datetime.now().astimezone())
        with lab(home, "body: {parallel: 2}") as (_, peer, door):
            peer.ask("soul.new", {"name": "mika"})
            peer.ask("soul.use", {"name": "default"})
            peer.say("My neighbour Ann keeps bees")
            for look in LOOKS:
                _take(browser, f"{door.base}/?token={door.door.token}", look, names or PAGES)
    print(FOLDER)


def _take(browser: Browser, url: str, look: Look, names: Sequence[str]) -> None:
    language, scheme, size = look
    context = browser.new_context(viewport=size, color_scheme=scheme, locale=language)
    try:
        page = context.new_page()
        page.on("console", lambda line: print(line.text, file=sys.stderr))
        page.on("pageerror", lambda fault: print(fault.stack, file=sys.stderr))
        page.goto(url)
        page.wait_for_function("['idle', 'none'].includes(document.body.dataset.state)")
        for name in names:
            _open(page, name)
            device = "phone" if size is PHONE else "desk"
            page.screenshot(path=FOLDER / f"{name}-{language}-{scheme}-{device}.png")
    finally:
        context.close()


def _open(page: Page, name: str) -> None:
    if name == "talk":
        page.evaluate("document.querySelectorAll('.sessions a')[1].click()")
        page.wait_for_selector(".reply:nth-child(4) .prose > p")
    else:
        page.evaluate("name => (location.hash = `#/${name}`)", name)
    page.wait_for_timeout(600)


if __name__ == "__main__":
    main(sys.argv[1:])
