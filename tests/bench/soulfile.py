"""A full soul of the default body: its file, and its folder with the journal; saved, loaded."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sould.engine.soul.weights import RANKS
from sould.soulfile.header import read_header
from sould.soulfile.history import SoulHome
from sould.soulfile.journal import Journal, JournalEntry
from sould.soulfile.layout import is_fast, may_be_half, tensor_shapes
from sould.soulfile.meta import BodyShape, Dims
from sould.soulfile.opening import open_soul, save_generation
from sould.soulfile.record import SoulRecord, read, write
from tests.bench.table import ROOT, Env, Row
from tests.fakes.souls import make_meta, make_tensors

ROUNDS = 15
DIMS = Dims(n_layers=30, d_model=576, d_ff=1536)
FIRSTS = dict.fromkeys(RANKS, DIMS.n_layers // 2)
KEEP = 20
RECORDS = 10_000  # in the metadata: a year of 30 turns a day


def run(env: Env) -> list[Row]:
    taught = frozenset(
        f"2026{1 + n // 28 % 12:02}{1 + n % 28:02}T{n % 24:02}0000-{n:08x}u" for n in range(RECORDS)
    )
    tensors = make_tensors(DIMS, RANKS, firsts=FIRSTS)
    for name in filter(may_be_half, tensors):  # as a night writes it
        tensors[name] = tensors[name].astype(np.float16).astype(np.float32)
    soul = SoulRecord(make_meta(dims=DIMS, taught=taught), tensors)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT) as folder:  # a disk, not a RAM disk
        path = Path(folder) / "full.soul"
        save_s = _median_s(lambda: write(path, soul))
        load_s = _median_s(lambda: read(path))
        header_s = _median_s(lambda: read_header(path))
        size_mb = path.stat().st_size / 1e6
        in_folder = _in_folder(Path(folder), soul)
    ranks = " + ".join(map(str, RANKS.values()))
    sizes = f"{DIMS.n_layers} layers, {DIMS.d_model}/{DIMS.d_ff}, ranks {ranks}"
    note = f"{sizes}, {RECORDS:,} records"
    return [
        _judged("soul file, size", size_mb, "MB", 16, note),
        _judged("soul file, save", save_s * 1e3, "ms", 150, f"synced; median of {ROUNDS}"),
        _judged("soul file, load", load_s * 1e3, "ms", 300, "all checks; file in the page cache"),
        Row(name="soul file, header", value=header_s * 1e3, unit="ms"),
        *in_folder,
    ]


def _in_folder(folder: Path, soul: SoulRecord) -> list[Row]:
    home = SoulHome(folder / "mika")
    home.create()
    save_s = _median_s(lambda: save_generation(home.folder, soul, keep=KEEP))
    journal = Journal(home.journal)
    fast = {name: array for name, array in soul.tensors.items() if is_fast(name)}
    entry = JournalEntry(
        taught=frozenset({"20260102T030405-9a0bcafeu"}),
        level=soul.meta.level,
        shapes=tensor_shapes(DIMS, {"fast": RANKS["fast"]}, FIRSTS),
        data=[array.data for array in fast.values()],
    )
    append_s = _median_s(lambda: journal.append(entry))
    body = BodyShape(fingerprint=soul.meta.body, name=soul.meta.body_name, dims=DIMS)
    open_s = _median_s(lambda: open_soul(home.folder, body))
    note = f"{sum(array.nbytes for array in fast.values()) / 1e6:.1f} MB, synced"
    return [
        _judged("soul, generation saved", save_s * 1e3, "ms", 150, f"{KEEP} kept, journal begun"),
        Row(name="soul, journal entry", value=append_s * 1e3, unit="ms", note=note),
        _judged("soul, opened", open_s * 1e3, "ms", 300, "with its journal; all checks"),
    ]


def _median_s(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        start_s = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start_s)
    return statistics.median(seconds)


def _judged(name: str, value: float, unit: str, limit: float, note: str) -> Row:
    return Row(
        name=name, value=value, unit=unit, bar=f"≤ {limit} {unit}", ok=value <= limit, note=note
    )
