"""A night in the browser."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import Lab, say, texts
from tests.fakes.soul_watch import await_soul, is_done, soul_of


def test_a_night_is_seen_and_woken_and_its_report_read(lab: Lab) -> None:
    page, second = lab.open("sleep"), lab.open()
    say(second, "sleep 90;my cat is called Biscuit")
    await_soul(lab.peer, is_done)
    page.get_by_role("button", name="Sleep now").click()
    for one in (page, second):
        one.wait_for_selector("body[data-state=dreaming]")
    expect(page.locator(".stages [aria-current]")).to_have_text("Dream")
    expect(page.locator(".dream")).to_contain_text("50 %")
    expect(page.locator(".dreamt-of")).to_have_text("What is my cat called?")
    page.get_by_role("button", name="Wake").click()
    expect(page.locator(".morning h2")).to_have_text("Last night")
    expect(page.locator(".morning .tag").first).to_have_text("Kept")
    said = "sleep 90;my cat is called Biscuit"
    assert texts(page, ".facts-table tbody td:first-child > span") == [said]
    assert texts(page, ".facts-table tbody td:first-child > div") == [
        *("What was that?", "Evening: I don't know.", f"Morning: You said: {said}"),
    ]
    assert texts(page, ".facts-table tbody .unseen") == ["not recalled", "recalled"]
    expect(page.locator(".plots figure")).to_have_count(3)
    summary = re.compile("^Recall over 1 nights")
    expect(page.locator(".plots svg").first).to_have_attribute("aria-label", summary)
    expect(page.get_by_role("button", name="Sleep now")).to_be_visible()
    assert soul_of(lab.peer).generation == 3


def test_a_night_that_is_broken_off_leaves_the_soul_as_it_was(lab: Lab) -> None:
    lab.peer.say("sleep 60;my cat is called Biscuit")
    await_soul(lab.peer, is_done)
    page = lab.open("sleep")
    lab.peer.send("soul.sleep")
    page.get_by_role("button", name="Break off").click()
    page.locator("dialog").get_by_role("button", name="Break off").click()
    expect(page.get_by_role("button", name="Sleep now")).to_be_visible()
    assert "sleep" not in [one["why"] for one in lab.peer.ask("soul.history")["generations"]]
