"""What is measured of a native body and its controls, and how it is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sould.engine.native.decoder import NativeDecoder
from sould.engine.native.model import NativeModel
from sould.training.measure import TextMarks, measure
from sould.training.tokens import Data
from tests.bench.native_body.attention import AttentionRunner
from tests.bench.native_body.pace import Pace
from tests.bench.table import Row

MOST_WINDOWS = 128
LEAST_GAIN = 0.10


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Marks on the same windows of held-out text: states learning, and all others by name.

    ``window``: tokens of each.
    """

    window: int
    on: TextMarks
    others: Mapping[str, TextMarks]

    @property
    def gain(self) -> float:
        """How much lower perplexity is with states that learn than with still ones."""
        return 1 - self.on.perplexity / self.others["still"].perplexity

    def note(self, value: Callable[[TextMarks], float], digits: int = 1) -> str:
        """Say what a figure is for all the others."""
        parts = (f"{name} {value(marks):.{digits}f}" for name, marks in self.others.items())
        return ", ".join(parts)


def compare(
    native: NativeModel,
    controls: Mapping[str, NativeModel],
    data: Data,
    window: int,
    *,
    most: int = MOST_WINDOWS,
) -> Comparison:
    """Measure frozen bodies on the text that was held out from all of them."""
    decoder, ids = NativeDecoder(native), data.valid
    others = {"still": measure(decoder, ids, window=window, most=most, is_still=True)}
    for name, model in controls.items():
        runner = AttentionRunner(model)
        others[name] = measure(runner, ids, window=window, most=most)  # type: ignore[arg-type]
    on = measure(decoder, ids, window=window, most=most)
    return Comparison(window=window, on=on, others=others)


def rows_of(
    found: Comparison,
    far: Comparison,
    pace: Pace,
    data: Data,
    sizes: Mapping[str, int],
) -> list[Row]:
    """Return the table.

    ``far``: of windows longer than those of the training. ``sizes``: parameters by name, the native
    body first.
    """

    def bits(marks: TextMarks) -> float:
        return marks.nats / math.log(2) * data.note.valid_tokens / data.note.valid_bytes

    parameters = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    gain = 100 * found.gain
    speed = pace.ours_per_s / pace.plain_per_s
    speeds = f"{pace.ours_per_s:,.0f} tokens/s against {pace.plain_per_s:,.0f}"
    return [
        _row("parameters", next(iter(sizes.values())) / 1e6, parameters, "M"),
        _row("perplexity", found.on.perplexity, found.note(lambda one: one.perplexity)),
        _judged("the same, against states still", gain, "% lower", 100 * LEAST_GAIN),
        *_positions(found),
        _row(
            f"perplexity, windows of {far.window:,} tokens",
            far.on.perplexity,
            far.note(lambda one: one.perplexity),
        ),
        _positions(far)[-1],
        _row("bits a byte", bits(found.on), found.note(bits, 3)),
        _row("passage read for the first time", found.on.first, found.note(lambda m: m.first, 3)),
        _row("the same, read once before", found.on.recall, found.note(lambda m: m.recall, 3)),
        _judged("training, against a plain loop", speed, "×", 1.0, speeds),
    ]


def _positions(found: Comparison) -> list[Row]:
    spans = len(found.on.by_position)
    size = found.window // spans

    def row(n: int) -> Row:
        note = found.note(lambda one: one.perplexities[n])
        name = f"perplexity, tokens {n * size + 1} to {(n + 1) * size}"
        return _row(name, found.on.perplexities[n], note)

    return [row(n) for n in range(spans)]


def _row(name: str, value: float, note: str, unit: str = "") -> Row:
    return Row(name=name, value=value, unit=unit, note=note)


def _judged(name: str, value: float, unit: str, least: float, note: str = "") -> Row:
    bar = f"≥ {least:g} {unit}"
    return Row(name=name, value=value, unit=unit, bar=bar, ok=value >= least, note=note)
