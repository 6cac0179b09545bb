"""Chat in the browser: replies that grow, are stopped, made anew; what is typed stays."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Lab, await_reply, say, texts
from tests.fakes.daemon_process import diary_of


def test_a_reply_grows_and_is_kept(shared: Lab) -> None:
    page = shared.open()
    say(page, "delay 0.1;tokens 50")
    expect(page.locator(".prose")).to_contain_text("t1")
    assert "t49" not in texts(page, ".prose")[-1]
    await_reply(page, "t49")
    assert [record["role"] for record in diary_of(shared.daemon)][-2:] == ["user", "assistant"]
    expect(page.locator(".sessions a[aria-current]")).to_have_text("delay 0.1;tokens 50")
    page.reload()
    await_reply(page, "t49")
    assert len(texts(page, ".said")) == 1


def test_stop_keeps_what_was_said(shared: Lab) -> None:
    page = shared.open()
    say(page, "delay 0.05;tokens 400")
    expect(page.locator(".prose")).to_contain_text("t3")
    page.get_by_role("button", name="Stop").click()
    await_reply(page, "t3")
    assert texts(page, ".reply .aside") == ["Stopped"]
    assert len(texts(page, ".prose")[-1].split()) < 400


def test_a_reply_is_made_anew_and_a_message_sent_otherwise(shared: Lab) -> None:
    page = shared.open()
    say(page, "hello there")
    await_reply(page, "hello there")
    page.get_by_role("button", name="Reply again").click()
    await_reply(page, "hello there")
    expect(page.locator(".transcript > li")).to_have_count(2)
    page.locator(".said").hover()
    page.get_by_role("button", name="Edit").click()
    page.fill(".bubble textarea", "goodbye then")
    page.locator(".bubble").get_by_role("button", name="Send").click()
    await_reply(page, "goodbye then")
    assert texts(page, ".said-text") == ["goodbye then"]
    page.reload()
    await_reply(page, "goodbye then")
    assert texts(page, ".said-text") == ["goodbye then"]


def test_what_is_off_the_record_is_shown_and_not_kept(shared: Lab) -> None:
    page = shared.open()
    say(page, "first words")
    await_reply(page, "first words")
    page.get_by_role("button", name="Off the record").click()
    say(page, "a secret")
    await_reply(page, "a secret")
    assert "a secret" not in [record["text"] for record in diary_of(shared.daemon)]
    page.get_by_role("button", name="Off the record").click()
    say(page, "more words")
    await_reply(page, "more words")
    assert texts(page, ".said-text") == ["first words", "a secret", "more words"]
    assert page.evaluate("JSON.stringify({ ...sessionStorage })").count("secret") == 0


def test_what_a_reply_says_is_no_markup(shared: Lab) -> None:
    page = shared.open()
    say(page, "<img src=x onerror=alert(1)> **bold** [a](javascript:alert(1)) `code`")
    await_reply(page, "bold")
    expect(page.locator(".prose strong")).to_have_text(["bold"])
    expect(page.locator(".prose code")).to_have_text(["code"])
    assert page.locator(".prose img, .prose a[href^=javascript]").count() == 0


def test_html_that_is_no_reply_of_the_server_is_looked_through(shared: Lab) -> None:
    page = shared.open()
    left = page.evaluate(
        """async () => {
          const { safe } = await import('/app/markdown.js');
          const div = document.createElement('div');
          div.append(safe('<p onclick="x()">a<script>b()</script><svg onload="c()"><b>d</b></svg>'
            + '<a href="javascript:e()">f</a><a href="https://g.example">h</a><iframe></iframe></p>'));
          return div.innerHTML;
        }"""
    )
    link = '<a href="https://g.example" target="_blank" rel="noopener noreferrer">h</a>'
    assert left == f"<p>ad<a>f</a>{link}</p>"
    assert all("Content Security Policy" in fault for fault in shared.faults)
    shared.faults.clear()  # that is what it is there for


def test_an_error_says_why_and_lets_try_again(shared: Lab) -> None:
    page = shared.open()
    say(page, "error no_memory")
    expect(page.locator(".fault strong")).to_have_text("There is not enough memory.")
    expect(page.locator(".fault")).to_contain_text("order less")
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".said")).to_have_count(1)
    expect(page.locator(".fault strong")).to_have_text("There is not enough memory.")


def test_a_reply_that_used_a_note_says_so(noted: Lab) -> None:
    noted.peer.say("My tortoise is called Gherkin")
    page = noted.open()
    say(page, "Is my tortoise called Gherkin?")
    await_reply(page, "Gherkin")
    page.get_by_text("Used a note from your diary").click()
    expect(page.locator(".note li")).to_contain_text("My tortoise is called Gherkin")
    assert "Used a note" not in texts(page, ".prose")[-1]


def test_a_word_that_is_being_composed_is_not_sent(shared: Lab) -> None:
    page = shared.open()
    page.fill(".composer textarea", "ごましお")
    page.evaluate(
        """() => document.querySelector('.composer textarea').dispatchEvent(
          new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true }))"""
    )
    assert page.input_value(".composer textarea") == "ごましお"
    assert texts(page, ".said") == []
