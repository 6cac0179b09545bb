"""Bodies and souls in the browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Lab, say, served, visited
from tests.fakes.soul_watch import await_soul, is_done, soul_of

WORK = "section:has(> h2:text-is('Bodies')) .work"
OTHER = ".row-line:has(h3:text-is('other'))"


def test_a_body_is_loaded_with_progress_and_unloaded(tmp_path: Path, browser: Browser) -> None:
    with served(tmp_path, "--load-s", "3") as own, visited(own, browser) as lab:
        page, second = lab.open("lab"), lab.open()
        page.locator(OTHER).get_by_role("button", name="Load", exact=True).click()
        expect(page.locator(WORK)).to_contain_text("Loading the body")
        second.evaluate("location.hash = '#/lab'")  # only now is that page made
        for one in (page, second):
            expect(one.locator(WORK)).to_contain_text("Loading the body")
            expect(one.locator(WORK)).to_contain_text(" %")
            expect(one.locator(OTHER)).to_contain_text("Loaded")
            expect(one.locator(WORK)).to_be_hidden()
        assert lab.peer.status().body is not None
        second.locator(OTHER).get_by_role("button", name="Unload").click()
        expect(page.locator(OTHER).get_by_role("button", name="Load", exact=True)).to_be_visible()
        assert lab.peer.status().body is None


def test_a_soul_is_begun_used_and_undone(lab: Lab) -> None:
    page = lab.open()
    say(page, "my cat is called Biscuit")
    await_soul(lab.peer, is_done)
    page.goto(f"{lab.address}#/lab")
    card = page.locator(".soul-card")
    expect(card.locator(".figure-value").first).to_have_text("5")
    card.get_by_role("button", name="Save", exact=True).click()
    expect(card).to_contain_text("generation 2")
    card.get_by_role("button", name="Undo").click()
    page.locator("dialog").get_by_role("button", name="Undo").click()
    expect(card.locator(".figure-value").first).to_have_text("0")
    assert soul_of(lab.peer).level == 0
    page.get_by_role("button", name="New soul").click()
    page.locator("dialog input").fill("mika")
    page.locator("dialog").get_by_role("button", name="Begin").click()
    expect(card.locator("h2")).to_have_text("mika")
    page.locator(".row-line:has(h3:text-is('default'))").get_by_role("button", name="Use").click()
    expect(card.locator("h2")).to_have_text("default")


def test_the_history_leads_back(lab: Lab) -> None:
    lab.peer.say("my cat is called Biscuit")
    await_soul(lab.peer, is_done)
    lab.peer.ask("soul.save")
    page = lab.open("lab")
    page.get_by_text("History").click()
    expect(page.locator(".past-states li")).to_have_count(2)
    expect(page.locator(".past-states li").first).to_contain_text("Now")
    page.get_by_role("button", name="Go back here").click()
    page.locator("dialog").get_by_role("button", name="Undo").click()
    expect(page.locator(".past-states li")).to_have_count(3)
    assert soul_of(lab.peer).level == 0


def test_a_soul_goes_out_and_comes_in_as_a_file(lab: Lab, tmp_path: Path) -> None:
    lab.peer.say("my cat is called Biscuit")
    await_soul(lab.peer, is_done)
    page = lab.open("lab")
    with page.expect_download() as download:
        page.locator(".soul-card").get_by_role("link", name="Export").click()
    file = tmp_path / "biscuit.soul"
    download.value.save_as(file)
    assert download.value.suggested_filename == "default.soul" and file.stat().st_size > 100
    _drop(page, file)
    expect(page.locator(".takes-drops h3")).to_have_text("biscuit")
    file.write_bytes(b"no soul at all")
    _drop(page, file)
    expect(page.locator(".notice.is-bad")).to_be_visible()
    assert [soul["name"] for soul in lab.peer.ask("soul.list")["souls"]] == ["biscuit", "default"]


def test_a_soul_of_another_body_says_why_and_offers_to_be_reborn(lab: Lab) -> None:
    lab.peer.say("my cat is called Biscuit")
    await_soul(lab.peer, is_done)
    lab.peer.ask("body.load", {"name": "other"})
    page = lab.open("lab")
    trouble = page.locator(".soul-card .trouble")
    expect(trouble).to_contain_text("grown on")
    expect(trouble).to_contain_text("It can be reborn on other")
    trouble.get_by_role("button", name="Reincarnate").click()
    expect(page.locator("dialog option")).to_have_text(["other"])
    page.locator("dialog").get_by_role("button", name="Reincarnate").click()
    expect(page.locator("dialog h2")).to_have_text("default-other is born")
    page.get_by_role("button", name="Let it be default from now on").click()
    expect(trouble).to_be_hidden()
    (default,) = (one for one in lab.peer.ask("soul.list")["souls"] if one["active"])
    assert (default["name"], default["body_name"]) == ("default", "other")


def _drop(page: Page, file: Path) -> None:
    """Drop a file where souls are taken in."""
    page.evaluate(
        """([name, bytes]) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], name));
          const target = document.querySelector('.takes-drops');
          for (const kind of ['dragenter', 'dragover', 'drop']) {
            target.dispatchEvent(
              new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
          }
        }""",
        [file.name, list(file.read_bytes())],
    )
