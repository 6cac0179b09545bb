"""Answers while the engine works: round trips of a ping, and how soon a stop is obeyed."""

from __future__ import annotations

import time

from soul_client.client import Client
from soul_client.wire import Progress, SamplingOverrides
from tests.bench.table import Env, Row
from tests.bench.workplace import median_ms, percentile, workplace

IDLE_PINGS, BUSY_PINGS = 2000, 600
CANCELS = 9
LONG = SamplingOverrides(max_tokens=1500, temperature=1.5, seed=1)
PROMPT_2000 = "the quick brown fox " * 490


def run(env: Env) -> list[Row]:
    with workplace(env) as client:
        client.body_load()
        client.ask("warm up", sampling=SamplingOverrides(max_tokens=4))
        return [*_idle(client), *_busy(client), *_decode_stops(client), *_prefill_stops(client)]


def _idle(client: Client) -> list[Row]:
    pings_s = [client.ping() for _ in range(IDLE_PINGS)]
    p50_ms, p99_ms = median_ms(pings_s), percentile(pings_s, 0.99) * 1e3
    return [
        Row(name="ping, idle, p50", value=p50_ms, unit="ms", bar="≤ 0.5 ms", ok=p50_ms <= 0.5),
        Row(name="ping, idle, p99", value=p99_ms, unit="ms", bar="≤ 3 ms", ok=p99_ms <= 3),
    ]


def _busy(client: Client) -> list[Row]:
    pings_s: list[float] = []
    while len(pings_s) < BUSY_PINGS:
        for _ in client.chat("Tell me a very long story.", sampling=LONG):
            pings_s.append(client.ping())
    p99_ms = percentile(pings_s, 0.99) * 1e3
    p50_ms = median_ms(pings_s)
    return [
        Row(name="ping, generating, p50", value=p50_ms, unit="ms"),
        Row(name="ping, generating, p99", value=p99_ms, unit="ms", bar="≤ 10 ms", ok=p99_ms <= 10),
    ]


def _decode_stops(client: Client) -> list[Row]:
    stops_s, steps_s = [], []
    for _ in range(CANCELS):
        reply = client.chat("Tell me a very long story.", sampling=LONG)
        chunks = iter(reply)
        for _ in range(20):
            next(chunks)
        start_s = time.perf_counter()
        usage = reply.stop().usage
        stops_s.append(time.perf_counter() - start_s)
        steps_s.append(usage.decode_s / usage.reply_tokens)
    stop_ms, step_ms = max(stops_s) * 1e3, median_ms(steps_s)
    return [
        Row(
            name="stop while decoding → idle",
            value=stop_ms,
            unit="ms",
            bar=f"≤ 1 step ({step_ms:.0f} ms) + 50 ms",
            ok=stop_ms <= step_ms + 50,
            note=f"slowest of {CANCELS}, until the turn is in the diary",
        )
    ]


def _prefill_stops(client: Client) -> list[Row]:
    stops_s = []
    prompt_tokens = 0
    for i in range(CANCELS):
        stream = client.chat(f"{i} {PROMPT_2000}", sampling=LONG).stream
        while not (isinstance(update := stream.read(), Progress) and update.done):
            pass
        prompt_tokens = update.total
        start_s = time.perf_counter()
        stream.stop()
        stops_s.append(time.perf_counter() - start_s)
    stop_ms = max(stops_s) * 1e3
    name = f"stop in a prefill of {prompt_tokens} tokens → idle"
    note = f"slowest of {CANCELS}"
    return [Row(name=name, value=stop_ms, unit="ms", bar="≤ 200 ms", ok=stop_ms <= 200, note=note)]
