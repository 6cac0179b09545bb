"""What is measured of a native body and its control, and how it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sould.engine.native.decoder import NativeDecoder
from sould.engine.native.model import NativeModel
from sould.training.measure import TextMarks, measure
from sould.training.tokens import Data
from tests.bench.native_body.attention import AttentionRunner, count
from tests.bench.native_body.pace import Pace
from tests.bench.table import Row

MOST_WINDOWS = 128
LEAST_GAIN = 0.10


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Marks on the same windows of held-out text: states learning, states still, attention.

    ``window``: tokens of each.
    """

    window: int
    on: TextMarks
    still: TextMarks
    attention: TextMarks

    @property
    def gain(self) -> float:
        """How much lower perplexity is with states that learn."""
        return 1 - self.on.perplexity / self.still.perplexity


def compare(
    native: NativeModel, control: NativeModel, data: Data, window: int, *, most: int = MOST_WINDOWS
) -> Comparison:
    """Measure two frozen bodies on the text that was held out from both."""
    decoder = NativeDecoder(native)
    runner = AttentionRunner(control)
    return Comparison(
        window=window,
        on=measure(decoder, data.valid, window=window, most=most),
        still=measure(decoder, data.valid, window=window, most=most, is_still=True),
        attention=measure(runner, data.valid, window=window, most=most),  # type: ignore[arg-type]
    )


def rows_of(
    found: Comparison,
    far: Comparison,
    pace: Pace,
    data: Data,
    native: NativeModel,
    control: NativeModel,
) -> list[Row]:
    """Return the table. ``far``: of windows longer than those of the training."""
    on, still, attention = found.on, found.still, found.attention
    return [
        Row(
            name="parameters",
            value=count(native) / 1e6,
            unit="M",
            note=f"{count(native):,}; attention {count(control):,}",
        ),
        Row(
            name="perplexity, states learning against still",
            value=100 * found.gain,
            unit="% lower",
            bar="≥ 10 % lower",
            ok=found.gain >= LEAST_GAIN,
            note=f"{on.perplexity:.1f} against {still.perplexity:.1f}",
        ),
        Row(
            name="the same, against attention",
            value=100 * (1 - on.perplexity / attention.perplexity),
            unit="% lower",
            note=f"attention {attention.perplexity:.1f}",
        ),
        *_positions(found),
        Row(
            name=f"perplexity, windows of {far.window:,} tokens",
            value=far.on.perplexity,
            unit="",
            note=f"still {far.still.perplexity:.1f}, attention {far.attention.perplexity:.1f}",
        ),
        _positions(far)[-1],
        Row(
            name="bits a byte",
            value=_bits(on, data),
            unit="",
            note=f"still {_bits(still, data):.3f}, attention {_bits(attention, data):.3f}",
        ),
        Row(
            name="recall of a passage read once",
            value=on.recall,
            unit="",
            note=f"before {on.first:.2f}; still {still.recall:.2f}; attention "
            f"{attention.recall:.2f}, before {attention.first:.2f}",
        ),
        Row(
            name="training, against a plain loop",
            value=pace.ours_per_s / pace.plain_per_s,
            unit="×",
            bar="≥ 1 ×",
            ok=pace.ours_per_s >= pace.plain_per_s,
            note=f"{pace.ours_per_s:,.0f} tokens/s against {pace.plain_per_s:,.0f}",
        ),
    ]


def _positions(found: Comparison) -> list[Row]:
    marks = (found.on, found.still, found.attention)
    parts = zip(*(one.by_position for one in marks), strict=True)
    size = found.window // len(found.on.by_position)
    return [
        Row(
            name=f"perplexity, tokens {n * size + 1} to {(n + 1) * size}",
            value=on,
            unit="",
            note=f"still {still:.1f}, attention {attention:.1f}",
        )
        for n, (on, still, attention) in enumerate(parts)
    ]


def _bits(marks: TextMarks, data: Data) -> float:
    return marks.nats / math.log(2) * data.note.valid_tokens / data.note.valid_bytes
