"""Pages stay in step, follow the daemon through its death, and speak two languages."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab, await_link, await_reply, say, texts
from tests.fakes.daemon_process import DaemonProcess, Peer

PAGES = ("chat", "lab", "sleep", "console", "plugins", "settings")


def test_a_turn_is_seen_in_another_page_and_in_the_cli_s_place(shared: Lab) -> None:
    first = shared.open()
    say(first, "hello there")
    await_reply(first, "hello there")
    session = first.url.rpartition("/")[2]
    second = shared.open(f"chat/{session}")
    await_reply(second, "hello there")
    shared.peer.say("from elsewhere", session=session)
    for page in (first, second):
        await_reply(page, "from elsewhere")
        assert texts(page, ".said-text") == ["hello there", "from elsewhere"]


def test_the_daemon_is_killed_and_comes_back(lab: Lab) -> None:
    page = lab.open()
    say(page, "hello there")
    await_reply(page, "hello there")
    say(page, "hang")
    page.fill(".composer textarea", "not sent yet")
    lab.daemon.kill()
    expect(page.locator(".banner")).to_be_visible()
    expect(page.locator(".fault:not([hidden])")).to_contain_text("The connection was lost")
    assert page.get_by_role("button", name="Send", exact=True).is_disabled()
    again = _start_again(lab)
    try:
        await_link(page)
        expect(page.locator(".banner")).to_be_hidden()
        assert page.input_value(".composer textarea") == "not sent yet"
        assert texts(page, ".said-text") == ["hello there", "hang"]
        page.reload()
        await_link(page)
        expect(page.locator(".said-text")).to_have_count(2)
        assert page.input_value(".composer textarea") == "not sent yet"
        page.locator(".fault:not([hidden])").wait_for()
        page.press(".composer textarea", "Enter")
        await_reply(page, "not sent yet")
    finally:
        again.close()


def test_every_page_speaks_both_languages(shared: Lab) -> None:
    page = shared.open("settings")
    page.select_option(".setting select >> nth=0", "ja")
    assert page.evaluate("document.documentElement.lang") == "ja"
    expect(page.locator("h1")).to_have_text("設定")
    for name in PAGES:
        page.evaluate("name => (location.hash = `#/${name}`)", name)
        assert _unnamed(page) == []
        raw = page.evaluate(r"document.body.innerText.match(/\b[a-z]+\.[a-z_]+\b(?= |$)/g) ?? []")
        assert not [word for word in raw if word.split(".")[0] in ("chat", "soul", "body", "state")]
    page.reload()
    expect(page.locator("h1")).to_have_text("設定")


def test_every_page_has_one_title_and_nothing_without_a_name(shared: Lab) -> None:
    page = shared.open()
    for name in PAGES:
        page.evaluate("name => (location.hash = `#/${name}`)", name)
        assert len(texts(page, "h1")) == 1 and len(texts(page, "main")) == 1
        assert _unnamed(page) == []


def test_the_keyboard_is_enough(shared: Lab) -> None:
    page = shared.open()
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.locator(".pages a[href='#/lab']").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Model Lab")
    expect(page.locator("h1")).to_be_focused()
    page.get_by_role("button", name="New soul").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog input")).to_be_focused()
    page.keyboard.type("mika")
    expect(page.locator("dialog input")).to_have_value("mika")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def test_the_theme_follows_the_system_and_the_choice(shared: Lab) -> None:
    page = shared.open("settings")
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("html[data-theme=dark]")
    page.select_option(".setting select >> nth=1", "light")
    page.wait_for_selector("html[data-theme=light]")


def test_a_setting_is_changed_and_a_wrong_one_refused(shared: Lab) -> None:
    page = shared.open("settings")
    field = page.locator("#setting-chat-temperature")
    field.fill("0.25")
    field.blur()
    expect(page.locator(".notice")).to_contain_text("Saved")
    assert shared.peer.ask("config.show")["values"]["chat"]["temperature"] == 0.25
    field.fill("-3")
    field.blur()
    expect(field).to_have_attribute("aria-invalid", "true")
    assert shared.peer.ask("config.show")["values"]["chat"]["temperature"] == 0.25


def test_the_log_is_in_the_console_and_nowhere_else(shared: Lab) -> None:
    page = shared.open("console")
    shared.peer.say("something confidential")
    expect(page.locator(".log")).to_contain_text("body loaded")
    page.fill(".log-tools input", "soul worn")
    expect(page.locator(".log li")).to_have_count(1)
    page.fill(".log-tools input", "confidential")
    expect(page.locator(".log li")).to_have_count(0)


def _start_again(lab: Lab) -> DaemonProcess:
    """Start the daemon that was killed, at the same place."""
    again = DaemonProcess(lab.daemon.config)
    peer = Peer(again.await_ready())
    peer.close()
    return again


def _unnamed(page: Page) -> list[str]:
    """Return what can be used and has no name for a screen reader."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('button, a, input, select, textarea, progress')]
          .filter((e) => e.checkVisibility() && !e.ariaLabel && !e.textContent.trim()
            && !e.labels?.length)
          .map((e) => e.outerHTML)"""
    )
    return found
