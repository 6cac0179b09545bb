"""A full soul: what it costs decoding, how fast it learns, how soon learning gives way; and how
long the engine takes to save it and to put it on.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from sould.bridge import Load, Wear
from sould.engine import souls
from sould.engine.bodyfile import open_body
from sould.engine.decoder import Decoder
from sould.engine.kernel import load_kernel
from sould.engine.kernel.selftest import random_soul
from sould.engine.loading import load
from sould.engine.read_weights import read_weights
from sould.engine.soul.batch import Row as LearnedRow
from sould.engine.soul.batch import learn
from sould.engine.soul.products import Interrupted
from sould.engine.soul.targets import Target
from sould.engine.soul.weights import RANKS, Soul, middle_of
from sould.engine.soul.writer import Writer, Written
from sould.engine.spec import BodySpec
from sould.errors import SouldError
from sould.soulfile.history import SoulHome
from tests.bench.table import ROOT, Env, Row
from tests.bench.workplace import percentile

PROMPT, DECODED, ROUNDS = 64, 64, 9
DECODE_BAR = 0.85
SLOT_BIAS = -1.5  # a slot is for one fact: open to one token in fifteen, others to two in three
PREFIX, OWN, ANSWER, ROWS = 30, 30, 15, 22  # a system prompt, then question and answer
STOPS, YIELD_BAR_MS = 40, 50
SAVES, SAVE_BAR_MS, LOAD_BAR_MS, SIZE_BAR_MB = 9, 150, 300, 16


def run(env: Env) -> list[Row]:
    decoder = new_decoder(env)
    soul = full_soul(decoder.spec)
    rows = [*decoding(decoder, soul), *learning(decoder, soul), giving_way(decoder, soul)]
    return [*rows, *worn(env, soul)]


def full_soul(spec: BodySpec) -> Soul:
    """Return one whose every rank does something, above where souls learn."""
    soul = random_soul(spec, seed=0, ranks=RANKS, parts=tuple(RANKS))
    below = middle_of(spec)
    soul.change(lambda: [b[:below].zero_() for b in soul.b.values()])
    own = [rank for slot in soul.slots for rank in (slot.begin, slot.rest)]
    soul.change(lambda: soul.scope[:, -1].index_fill_(0, torch.tensor(own), SLOT_BIAS))
    return soul


def decoding(decoder: Decoder, soul: Soul, rounds: int = ROUNDS) -> list[Row]:
    bare, full = [], []
    for _ in range(rounds):  # in turn: what else the machine does falls on both
        bare.append(tokens_per_second(decoder, None))
        full.append(tokens_per_second(decoder, soul))
    decoder.soul = None
    ratio = statistics.median(f / b for f, b in zip(full, bare, strict=True))
    ranks = " + ".join(str(rank) for rank in RANKS.values())
    note = f"ranks {ranks}, {DECODED} tokens after {PROMPT}, medians of {rounds} rounds in turn"
    name = "decode, full soul / bare body"
    is_ok = ratio >= DECODE_BAR
    return [
        Row(name="decode, bare body", value=statistics.median(bare), unit="tok/s"),
        Row(name="decode, full soul", value=statistics.median(full), unit="tok/s"),
        Row(name=name, value=ratio, unit="x", bar=f"≥ {DECODE_BAR}", ok=is_ok, note=note),
    ]


def learning(decoder: Decoder, soul: Soul) -> list[Row]:
    """Rows as a night has them; each token counts as often as it would without sharing."""
    rows, prefix = some_rows(ROWS), list(range(100, 100 + PREFIX))
    times_s = []
    for _ in range(4):
        started_s = time.perf_counter()
        tokens = learn(decoder, soul, "fast", prefix, rows).tokens
        times_s.append(time.perf_counter() - started_s)
    best_s = statistics.median(times_s[1:])
    note = f"{ROWS} rows of {PREFIX} shared and {OWN} own tokens, {ANSWER} of them answer"
    as_if = ROWS * (PREFIX + OWN)
    return [
        Row(name="learning, computed", value=tokens / best_s, unit="tok/s", note=note),
        Row(name="learning, with prefixes", value=as_if / best_s, unit="tok/s", note=note),
    ]


def giving_way(decoder: Decoder, soul: Soul) -> Row:
    """Ask a micro-batch to stop at moments all over it; how long until the call is back."""
    rows, prefix, waits_s = some_rows(ROWS), list(range(100, 100 + PREFIX)), []
    started_s = time.perf_counter()
    learn(decoder, soul, "fast", prefix, rows)
    whole_s = time.perf_counter() - started_s
    for i in range(STOPS):
        at_s = time.perf_counter() + whole_s * (i + 0.5) / STOPS
        try:
            learn(decoder, soul, "fast", prefix, rows, should_yield=lambda t=at_s: _is_past(t))
        except Interrupted:
            waits_s.append(time.perf_counter() - at_s)
    p99_ms = percentile(waits_s, 0.99) * 1e3
    return Row(
        name="learning gives way, p99",
        value=p99_ms,
        unit="ms",
        bar=f"≤ {YIELD_BAR_MS}",
        ok=p99_ms <= YIELD_BAR_MS,
        note=f"median {statistics.median(waits_s) * 1e3:.0f} ms of {len(waits_s)} stops",
    )


def worn(env: Env, soul: Soul) -> list[Row]:
    """Save a soul, and put it on again, as the engine does: opened, and into the weights."""
    request = Load(
        name=env.body.stem,
        path=str(env.body),
        cache_dir=str(env.cache_dir),
        device="cpu",
        threads=env.threads,
    )
    body = load(request, should_stop=lambda: False, tell=lambda progress: None)
    news = list[Written]()
    writer, saves_s, loads_s = Writer(news.append), list[float](), list[float]()

    def written() -> None:
        writer.flush()
        while news:
            news[0].then(news.pop(0).outcome)

    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT) as folder:  # a disk, not a RAM disk
        home = SoulHome(Path(folder) / "mika")
        home.create()
        order = Wear(name="mika", folder=str(home.folder), inner_lr=1e-3)
        for n in range(SAVES):
            mika = souls.wear(body, order, writer)
            mika.soul = soul
            mika.learned(f"20260102T030405-{n:08x}u", 100, _require_written)
            written()
            started_s = time.perf_counter()
            mika.save("save", _require_written)
            written()
            saves_s.append(time.perf_counter() - started_s)
            started_s = time.perf_counter()
            souls.wear(body, order, writer)
            loads_s.append(time.perf_counter() - started_s)
        newest, _ = home.newest()
        assert newest is not None and newest.number == 1 + SAVES
        size_mb = newest.size_bytes / 1e6
    note = f"in the engine; median of {SAVES}"
    return [
        _judged("full soul, file", size_mb, "MB", SIZE_BAR_MB, "of the default body"),
        _judged("full soul, saved", statistics.median(saves_s) * 1e3, "ms", SAVE_BAR_MS, note),
        _judged("full soul, put on", statistics.median(loads_s) * 1e3, "ms", LOAD_BAR_MS, note),
    ]


def new_decoder(env: Env) -> Decoder:
    torch.set_num_threads(env.threads)
    body = open_body(env.body)
    kernel = load_kernel(env.cache_dir, threads=env.threads)
    return Decoder(body.spec, read_weights(body), kernel=kernel)


def tokens_per_second(decoder: Decoder, soul: Soul | None) -> float:
    decoder.soul = soul
    cache = decoder.new_cache(PROMPT + DECODED)
    decoder.forward(range(1000, 1000 + PROMPT), cache, want="none")
    started_s = time.perf_counter()
    for i in range(DECODED):
        decoder.forward([2000 + i], cache)
    return DECODED / (time.perf_counter() - started_s)


def some_rows(count: int) -> Sequence[LearnedRow]:
    rows = []
    for i in range(count):
        ids = [1000 + (37 * i + 11 * j) % 5000 for j in range(OWN)]
        target = Target.tokens(ids[-ANSWER:])
        rows.append(LearnedRow(ids=ids, positions=range(OWN - ANSWER, OWN), target=target))
    return rows


def _is_past(moment_s: float) -> bool:
    return time.perf_counter() >= moment_s


def _require_written(error: SouldError | None) -> None:
    if error is not None:
        raise error


def _judged(name: str, value: float, unit: str, limit: float, note: str) -> Row:
    return Row(
        name=name, value=value, unit=unit, bar=f"≤ {limit} {unit}", ok=value <= limit, note=note
    )
