"""The Model Lab's server: who is let in, and the way from a page to the daemon and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.daemon_process import DaemonProcess, Peer
from tests.fakes.lab import Browser, lab

Lab = tuple[DaemonProcess, Peer, Browser]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("d")) as opened:
        yield opened


@pytest.fixture
def browser(shared: Lab) -> Browser:
    return shared[2]


def test_a_page_talks_with_the_daemon(browser: Browser) -> None:
    with browser.page() as page:
        assert page.next(lambda m: m["kind"] == "link")["up"] is True
        assert page.event("state")["state"]
        answers = page.answers(page.send("chat.send", text="hello there"))
        kinds = [one["kind"] for one in answers]
        assert kinds[0] == "ack" and kinds[-1] == "done" and "chunk" in kinds
        said = "".join(one["body"]["text"] for one in answers if one["kind"] == "chunk")
        assert said == answers[-1]["body"]["text"] != ""


def test_the_page_and_its_headers(browser: Browser) -> None:
    answer: Any = browser.http.get("/")
    assert answer.status_code == 200 and "Bit-TTT" in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
    again = browser.http.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
