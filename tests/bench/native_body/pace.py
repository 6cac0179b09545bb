"""How fast ``sould train`` trains, against a plain loop on the same body, a step each in turn."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sould.engine.bodies.bit_ttt import spec_from_hf
from sould.engine.formats.settings import Settings
from sould.engine.native.model import NativeModel
from sould.engine.spec import BodySpec
from sould.errors import Cancelled
from sould.training.presets import Preset
from sould.training.tokens import Data
from sould.training.trainer import SMOOTH, VALIDATIONS, Report, Trainer
from tests.bench.native_body.plain import PlainLoop

WARM_UP = 2  # steps that do not count


@dataclass
class Pace:
    """Seconds of each step; ours have all that a trainer does between two. Losses: smoothed."""

    tokens: int  # of a step
    ours_s: list[float] = field(default_factory=list)
    plain_s: list[float] = field(default_factory=list)
    ours_loss: float = math.nan
    plain_loss: float = math.nan

    @property
    def ours_per_s(self) -> float:
        return self.tokens * len(self.ours_s[WARM_UP:]) / sum(self.ours_s[WARM_UP:])

    @property
    def plain_per_s(self) -> float:
        return self.tokens * len(self.plain_s[WARM_UP:]) / sum(self.plain_s[WARM_UP:])


def paces(data: Data, preset: Preset, *, steps: int, clock: Callable[[], float]) -> Pace:
    """Train two bodies that begin as the same one, ``steps`` steps each, more than ``WARM_UP``.

    They are the first of so many that the trainer validates once in them.
    """
    pace, total = Pace(tokens=preset.batch * preset.window), steps * VALIDATIONS
    with tempfile.TemporaryDirectory(prefix="pace-") as folder:
        ours = Trainer(Path(folder), data, preset, steps=total)
        plain = PlainLoop(NativeModel(spec_of(data, preset)).draw(0), data, preset, steps=total)
        started_s = clock()

        def tell(report: Report) -> None:
            nonlocal started_s
            pace.ours_s.append(clock() - started_s)
            pace.ours_loss = report.loss
            started_s = clock()
            loss = plain.take_step()
            pace.plain_s.append(clock() - started_s)
            is_first = math.isnan(pace.plain_loss)
            pace.plain_loss = loss if is_first else SMOOTH * pace.plain_loss + (1 - SMOOTH) * loss
            started_s = clock()

        with suppress(Cancelled):
            ours.train(lambda: len(pace.ours_s) == steps, tell)
    return pace


def spec_of(data: Data, preset: Preset) -> BodySpec:
    """Return the shape that ``sould train`` gives a body."""
    config = preset.config(data.tokenizer.get_vocab_size())
    return spec_from_hf(Settings(config, Path("config.json")))


def clock_here() -> Callable[[], float]:
    """Return a clock: of the processor, or on a wall where a GPU does the work."""
    return time.perf_counter if torch.cuda.is_available() else time.process_time
