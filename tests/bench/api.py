"""What the API costs over the native client, and whether eight streams get the same."""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx

from soul_client.client import Client
from soul_client.wire import SamplingOverrides
from sould.testing.daemon_process import DaemonProcess
from tests.bench.table import Env, Row
from tests.bench.workplace import percentile, write_config
from tests.fakes.openai_home import Api, await_api, plugin_config, serving

TOKENS, ROUNDS = 200, 6
PACE = "delay 0.01"
"""Seconds between tokens of the engine that says the time: those of the default body."""
STREAMS = 8
SLOTS = STREAMS + 1
"""Of ``body.parallel``: one client never has all of them."""
WATCHED_S = 20.0

Say = Callable[[str], Iterator[str]]


def run(env: Env) -> list[Row]:
    return [*_overhead(), _fairness(env)]


def _overhead() -> list[Row]:
    """Measure with an engine that says the time, so that each token tells how old it is."""
    with ExitStack() as at_end:
        folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        api = at_end.enter_context(serving(folder))
        client = at_end.enter_context(Client(api.daemon.config))
        http = at_end.enter_context(api.http())
        ways: dict[str, Say] = {"native": client.chat, "api": lambda text: _pieces(http, api, text)}
        ages: dict[str, list[float]] = {name: [] for name in ways}
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, say in ways.items():
                ages[name] += _ages(say)
                took[name].append(_seconds_a_token(say))
    lag_ms, native_ms = (statistics.median(ages[name]) * 1e3 for name in ("api", "native"))
    full_ms = (statistics.median(took["api"]) - statistics.median(took["native"])) * 1e3
    p99_ms = percentile(ages["api"], 0.99) * 1e3
    return [
        Row(
            name="API: a token later than by the native client",
            value=lag_ms - native_ms,
            unit="ms",
            bar="≤ 1 ms",
            ok=lag_ms - native_ms <= 1,
            note=f"medians of {len(ages['api'])}: {lag_ms:.2f} and {native_ms:.2f} ms old; "
            f"p99 {p99_ms:.1f}",
        ),
        Row(
            name="API: more time a token, at full speed",
            value=full_ms,
            unit="ms",
            bar="≤ 1 ms",
            ok=full_ms <= 1,
            note="an engine that says all at once; what its client takes to read it included",
        ),
    ]


def _ages(say: Say) -> list[float]:
    """Return how old each piece is when it is there, in seconds."""
    ages = []
    for piece in say(f"{PACE};clock {TOKENS}"):
        now_s = time.monotonic()
        ages += [now_s - float(said_s) for said_s in piece.split()]
    assert len(ages) == TOKENS
    return ages


def _seconds_a_token(say: Say) -> float:
    begun_s = time.perf_counter()
    text = "".join(say(f"tokens {TOKENS * 5}"))
    took_s = time.perf_counter() - begun_s
    assert len(text.split()) == TOKENS * 5
    return took_s / (TOKENS * 5)


def _fairness(env: Env) -> Row:
    """Count what each of eight streams of the real body gets, from the first to the last moment
    that all of them speak.
    """
    with ExitStack() as at_end:
        folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        config = write_config(folder, env)
        text = config.read_text().replace("body:\n", f"body:\n  parallel: {SLOTS}\n")
        config.write_text(text + plugin_config())
        daemon = DaemonProcess(config)
        at_end.callback(daemon.close)
        daemon.await_ready()
        with Client(config) as client:
            client.body_load()
        shares = _shares(Api(daemon=daemon, at=await_api(daemon)))
    mean = statistics.fmean(shares)
    off = max(abs(share - mean) for share in shares) / mean
    return Row(
        name=f"API: {STREAMS} streams, the one furthest from its share",
        value=off * 100,
        unit="%",
        bar="≤ 10 %",
        ok=off <= 0.1,
        note=f"tokens in the same time: {', '.join(map(str, sorted(shares)))}; "
        f"body.parallel: {SLOTS}",
    )


def _shares(api: Api) -> list[int]:
    """Return how many pieces each stream had while all of them spoke."""
    at: list[list[float]] = [[] for _ in range(STREAMS)]
    until_s = time.monotonic() + WATCHED_S

    def listen(n: int) -> None:
        sampling = SamplingOverrides(max_tokens=2000, temperature=1.5, seed=n)
        with api.http() as http:
            for _ in _pieces(http, api, f"Tell me the very long story number {n}.", sampling):
                at[n].append(time.monotonic())
                if at[n][-1] > until_s:
                    return

    threads = [threading.Thread(target=listen, args=(n,)) for n in range(STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first_s, last_s = max(one[0] for one in at), min(one[-1] for one in at)
    return [sum(first_s <= moment <= last_s for moment in one) for one in at]


def _pieces(
    http: httpx.Client, api: Api, text: str, sampling: SamplingOverrides | None = None
) -> Iterator[str]:
    """Yield the pieces of a reply as the API streams them."""
    wanted = sampling or SamplingOverrides()
    body = {
        "model": "smollm2-135m-instruct",
        "stream": True,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": wanted.max_tokens,
        "temperature": wanted.temperature,
        "seed": wanted.seed,
    }
    with http.stream("POST", "/v1/chat/completions", json=body) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                (choice,) = json.loads(line[6:])["choices"]
                if piece := choice["delta"].get("content"):
                    yield piece
