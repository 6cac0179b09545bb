"""TTT-Linear, chunked against token by token: alone, and in a random body of preset "small"."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from sould.engine.bodies.bit_ttt import spec_from_hf
from sould.engine.formats.settings import Settings
from sould.engine.native import ttt_linear
from sould.engine.native.carry import Carry
from sould.engine.native.decoder import NativeDecoder
from sould.engine.native.model import NativeModel
from sould.engine.native.ttt_linear import InnerNorm, Views
from sould.training.presets import PRESETS
from tests.bench.table import ROOT, Env, Row

PRESET = PRESETS["small"]
TOKENS = 2048
ROUNDS = 5
DECODED = 64


def run(env: Env) -> list[Row]:
    torch.set_num_threads(env.threads)
    config = Settings(PRESET.config(PRESET.vocabulary), ROOT / "config.json")
    model = NativeModel(spec_from_hf(config)).draw(0).freeze()
    ids_BT = torch.randint(0, PRESET.vocabulary, (1, TOKENS))
    note = f"{PRESET.parameters / 1e6:.0f}M parameters, {TOKENS:,} tokens, no logits"
    with torch.no_grad():
        chunked_s = _median_s(lambda: model(ids_BT, model.begin()), ROUNDS)
        one_by_one_s = _median_s(lambda: model(ids_BT, model.begin(), form="sequential"), 1)
        want_BTD = _sequential(model, ids_BT)
        apart = (model(ids_BT, model.begin())[0] - want_BTD).abs().max() / want_BTD.abs().max()
    times = one_by_one_s / chunked_s
    decode = _decode_per_s(NativeDecoder(model))
    return [
        _rule(),
        Row(name="native, chunked against sequential", value=times, unit="×", note=note),
        _judged(
            "native, largest difference of them",
            float(apart),
            "",
            float(apart) <= 1e-5,
            "≤ 1e-5",
            "f32, of the largest number",
        ),
        Row(name="native, prefill", value=TOKENS / chunked_s, unit="tok/s", note=note),
        Row(name="native, decode", value=decode, unit="tok/s", note=f"{DECODED} tokens"),
    ]


def _rule() -> Row:
    """The rule alone, in turn with itself token by token; views and rates are random."""
    heads, width = PRESET.heads, PRESET.hidden // PRESET.heads
    torch.manual_seed(0)
    q, k, v = (F.normalize(torch.randn(1, heads, TOKENS, width), dim=-1) for _ in range(3))
    rate_BHT = torch.rand(1, heads, TOKENS) / width
    views = Views(q_BHTE=q, k_BHTE=k, v_BHTE=v, rate_BHT=rate_BHT)
    norm = InnerNorm(scale_HE=torch.ones(heads, width), shift_HE=torch.zeros(heads, width))
    start = Carry.begun(torch.eye(width).expand(1, heads, width, width))
    ratios = []
    with torch.no_grad():
        for _ in range(ROUNDS):
            slow_s, fast_s = (
                _median_s(lambda run=run: run(views, norm, start, PRESET.mini_batch), 1)
                for run in (ttt_linear.sequential, ttt_linear.chunked)
            )
            ratios.append(slow_s / fast_s)
    times, note = statistics.median(ratios), f"{heads} heads of {width}, {TOKENS:,} tokens"
    name = "TTT-Linear alone, chunked against sequential"
    return _judged(name, times, "×", times >= 10, "≥ 10 ×", note)


def _sequential(model: NativeModel, ids_BT: torch.Tensor) -> torch.Tensor:
    x_BTD, _ = model(ids_BT, model.begin(), form="sequential")
    found: torch.Tensor = x_BTD
    return found


def _decode_per_s(decoder: NativeDecoder) -> float:
    cache = decoder.new_cache(DECODED + 8)
    decoder.forward(list(range(8)), cache)
    start_s = time.perf_counter()
    for token in range(DECODED):
        decoder.forward([token], cache)
    return DECODED / (time.perf_counter() - start_s)


def _median_s(work: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds):
        start_s = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start_s)
    return statistics.median(seconds)


def _judged(name: str, value: float, unit: str, ok: bool, bar: str, note: str) -> Row:
    return Row(name=name, value=value, unit=unit, bar=bar, ok=ok, note=note)
