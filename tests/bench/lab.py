"""The Model Lab: first words against the native client, a cold load, its size, pages in step."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

from soul_client import launch
from soul_client.client import Client
from soul_client.lab_door import read_door
from soul_client.wire import Connection, SamplingOverrides
from soul_lab.files import PAGE
from tests.bench.table import Env, Row
from tests.bench.workplace import median_ms, write_config
from tests.browser.chromium import chromium, chromium_path

TURNS, LOADS = 15, 9
PROMPT = "Say a word about the number {}."
FEW = SamplingOverrides(max_tokens=4, temperature=0)
READY_WITHIN_S = 30.0
WATCH = """
  window.seen = {};
  let whole = () => {};
  window.answered = () => new Promise((resolve) => { whole = resolve; });
  const note = (name) => { seen[name] ??= performance.timeOrigin + performance.now(); };
  new MutationObserver(() => {
    const state = document.body?.dataset.state;
    if (state && state !== 'offline') { note('up'); note(state); }
    if (document.querySelector('.reply:last-child .prose')?.textContent) note('words');
    const end = document.querySelector('.reply:last-child .actions:not([hidden])');
    if (seen.words && end && ['none', 'idle'].includes(state)) whole();
  }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
"""
SEND = """async (text) => {
  seen = {};
  const field = document.querySelector('.composer textarea');
  field.value = text;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  const reply = answered();
  const at = performance.timeOrigin + performance.now();
  document.querySelector('.round').click();
  await reply;
  return [at, seen.words];
}"""
"""The page says itself when the reply is whole: to be asked for it again and again would take the
processor from the body, as nobody takes it from the native client's.
"""


def run(env: Env) -> list[Row]:
    """Measure with the real body; nothing but a note where there is no Chromium."""
    size_kb = sum(path.stat().st_size for path in PAGE.rglob("*") if path.is_file()) / 1e3
    size = Row(name="page, all files", value=size_kb, unit="kB", bar="≤ 300 kB", ok=size_kb <= 300)
    if chromium_path() is None:
        none = Row(name="page in a browser", value=None, unit="ms", note="no Chromium here")
        return [size, none]
    with _served(env) as (client, url), chromium() as browser:
        return [size, _loads(browser, url), *_turns(client, browser, url)]


@contextmanager
def _served(env: Env) -> Iterator[tuple[Client, str]]:
    """Run a daemon with the lab; yield a client of it, and the address that lets a browser in."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = write_config(Path(folder), env)
        with config.open("a") as file:
            file.write("plugins: {enabled: [soul_lab], settings: {soul_lab: {port: 0}}}\n")
            file.write("memory: off\nchat: {max_tokens: 4, temperature: 0}\n")
        connection = launch.ensure_running(config)
        with Client(config) as client:
            try:
                client.body_load()
                client.ask("warm up", sampling=FEW)
                yield client, _entrance(connection)
            finally:
                client.shutdown()
                launch.wait_until_gone(connection, timeout_s=15)


def _entrance(connection: Connection) -> str:
    until = time.monotonic() + READY_WITHIN_S
    while (door := read_door(Path(connection.workspace))) is None:
        assert time.monotonic() < until, "the lab does not listen"
        time.sleep(0.05)
    return f"{door.url}?token={door.token}"


def _open(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(url)
    page.wait_for_selector("body[data-state]:not([data-state=offline])")
    return page


def _loads(browser: Browser, url: str) -> Row:
    """Load with nothing in the cache, until the page shows how the daemon is."""
    loads_ms = []
    for _ in range(LOADS):
        context = browser.new_context()
        context.request.get(url)  # the cookie, and nothing else
        page = _open(context, url.partition("?")[0])
        loads_ms.append(page.evaluate("seen.up - performance.timeOrigin"))
        context.close()
    load_ms = statistics.median(loads_ms)
    note = f"median of {LOADS}, until it shows the daemon's state"
    bar = "≤ 300 ms"
    return Row(name="page, cold", value=load_ms, unit="ms", bar=bar, ok=load_ms <= 300, note=note)


def _turns(client: Client, browser: Browser, url: str) -> list[Row]:
    """Ask in the page and by the native client in turn; a second page looks on."""
    context = browser.new_context()
    page, second = _open(context, url), _open(context, url.partition("?")[0])
    here_s, there_s, seen_s = [], [], []
    for n in range(TURNS):
        there_s.append(_first_word_s(client, PROMPT.format(2 * n)))
        page.evaluate("location.hash = '#/lab'; location.hash = '#/chat'")
        second.evaluate("seen = {}")
        begun_ms, words_ms = page.evaluate(SEND, PROMPT.format(2 * n + 1))
        here_s.append((words_ms - begun_ms) / 1e3)
        seen_s.append((second.evaluate("seen.answering") - begun_ms) / 1e3)
    context.close()
    over_ms, seen_ms = median_ms(here_s) - median_ms(there_s), median_ms(seen_s)
    figures = f"medians of {TURNS}: {median_ms(here_s):.0f} and {median_ms(there_s):.0f} ms"
    worst = f"median of {TURNS}; slowest {max(seen_s) * 1e3:.0f} ms"
    return [
        Row(
            name="first word in the page, less the client's",
            value=over_ms,
            unit="ms",
            bar="≤ 20 ms",
            ok=over_ms <= 20,
            note=figures,
        ),
        Row(
            name="sent in one page → seen in another",
            value=seen_ms,
            unit="ms",
            bar="≤ 200 ms",
            ok=max(seen_s) <= 0.2,
            note=worst,
        ),
    ]


def _first_word_s(client: Client, text: str) -> float:
    begun_s = time.perf_counter()
    reply = client.chat(text)
    next(iter(reply))
    took_s = time.perf_counter() - begun_s
    for _ in reply:
        pass
    return took_s
