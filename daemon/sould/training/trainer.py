"""The training itself: one step after the other, checkpoints, validation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from sould.engine.bodies.bit_ttt import spec_from_hf
from sould.engine.formats.settings import Settings
from sould.engine.native.model import NativeModel
from sould.errors import BadRequest, Cancelled, NoMemory, SouldError
from sould.training.checkpoint import Point, load_checkpoint, save_checkpoint
from sould.training.evaluation import Marks, batch_of, evaluate
from sould.training.loss import mean_loss
from sould.training.presets import Preset
from sould.training.schedule import rate_at
from sould.training.tokens import Data

BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.1  # of matrices, but the states
CLIP = 1.0
CHECKPOINT_S = 300.0
EXAM_WINDOWS = 32
QUICK_WINDOWS = 8
VALIDATIONS = 20  # of a training
SMOOTH = 0.95  # of the loss that is shown


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far it is. ``loss``: nats a token, smoothed; ``valid``: of the last validation."""

    step: int
    total: int
    loss: float
    valid: Marks | None
    tokens_per_s: float


@dataclass(frozen=True, kw_only=True)
class Trained:
    """``on``, ``off``: marks on held-out text, with the states learning and still. ``curve``: of
    all runs.
    """

    model: NativeModel
    step: int
    loss: float
    on: Marks
    off: Marks
    tokens_per_s: float
    curve: tuple[Point, ...]


class Trainer:
    """One training, in ``folder``; what was begun there is gone on with.

    A step depends on the seed, its number, and the parameters before it, and on nothing else: a
    training that was stopped and gone on with comes to the same parameters, bit for bit, on the
    same machine and threads.
    """

    def __init__(
        self,
        folder: Path,
        data: Data,
        preset: Preset,
        *,
        steps: int,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        """Draw the body, or put it back to the last checkpoint.

        Raises:
            BadRequest: there is too little text for one window, or the training was begun with
                another preset, seed or number of steps.
            StorageError: the checkpoint cannot be read.
        """
        least = preset.window + 2
        if min(len(data.train), len(data.valid)) < least:
            raise BadRequest(
                f"the text has {len(data.train)} tokens and {len(data.valid)} held out, a window "
                f"of this preset has {least}",
                "give it more text, or take a smaller preset",
            )
        config = preset.config(data.tokenizer.get_vocab_size())
        self._folder, self._data, self._preset, self._seed = folder, data, preset, seed
        self._total = steps
        self._begun = {**asdict(preset), "seed": seed, "steps": steps}
        self._device = torch.device(device)
        spec = spec_from_hf(Settings(config, folder / "config.json"))
        self.model = NativeModel(spec).draw(seed).to(self._device)
        self._optimiser = _optimiser(self.model, preset.lr)
        state = load_checkpoint(folder, self.model, self._optimiser, begun=self._begun)
        self.step, self.loss = (state.step, state.loss) if state else (0, float("nan"))
        self._curve: list[Point] = [*state.curve] if state else []
        self._valid: Marks | None = None

    def train(self, should_stop: Callable[[], bool], tell: Callable[[Report], None]) -> Trained:
        """Train up to the last step; a stop is noticed between two, and what was done is kept.

        Raises:
            Cancelled: ``should_stop`` said so; a checkpoint is on disk.
            NoMemory: a step does not fit the GPU.
            StorageError: a checkpoint cannot be written.
        """
        try:
            return self._train(should_stop, tell)
        except torch.cuda.OutOfMemoryError as e:
            raise NoMemory(
                f"a step of this preset does not fit {self._device}",
                "take a smaller preset, unload the body ('soul body unload'), or set "
                "body.device to cpu",
            ) from e

    def _train(self, should_stop: Callable[[], bool], tell: Callable[[Report], None]) -> Trained:
        saved_s = began_s = time.monotonic()
        first, every = self.step, max(1, self._total // VALIDATIONS)
        while self.step < self._total:
            self._step()
            if self.step % every == 0 and self.step < self._total:
                self._valid = self._examine(QUICK_WINDOWS)
                self._curve.append((self.step, self.loss, self._valid.perplexity))
            speed = self._speed(first, began_s)
            tell(self._report(speed))
            is_over = should_stop()
            if is_over or time.monotonic() - saved_s > CHECKPOINT_S or self.step == self._total:
                self._save()
                saved_s = time.monotonic()
            if is_over and self.step < self._total:
                raise Cancelled(
                    f"training was stopped after {self.step} of {self._total} steps",
                    "the same command goes on with it",
                )
        speed = self._speed(first, began_s)
        on = self._examine(EXAM_WINDOWS)
        return Trained(
            model=self.model,
            step=self.step,
            loss=self.loss,
            on=on,
            off=self._examine(EXAM_WINDOWS, boost=0.0),
            tokens_per_s=speed,
            curve=(*self._curve, (self.step, self.loss, on.perplexity)),
        )

    def _step(self) -> None:
        preset, ids = self._preset, self._data.train
        random = np.random.default_rng([self._seed, self.step])
        starts = random.integers(0, len(ids) - preset.window - 1, preset.batch, endpoint=True)
        ids_BT = batch_of(ids, starts.tolist(), preset.window)
        for group in self._optimiser.param_groups:
            group["lr"] = rate_at(self.step, self._total, preset.lr)
        with torch.autocast("cuda", torch.bfloat16, enabled=self._device.type == "cuda"):
            loss = mean_loss(self.model, ids_BT)
        now = float(loss.detach())
        if not math.isfinite(now):
            raise SouldError(
                f"the loss of step {self.step + 1} is {now}: the training diverges",
                f"remove {self._folder} and begin anew with another --seed",
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self._optimiser.step()
        self.step += 1
        is_first = math.isnan(self.loss)
        self.loss = now if is_first else SMOOTH * self.loss + (1 - SMOOTH) * now

    def _examine(self, most: int, *, boost: float = 1.0) -> Marks:
        window, batch = self._preset.window, self._preset.batch
        ids = self._data.valid
        return evaluate(self.model, ids, window=window, batch=batch, most=most, boost=boost)

    def _save(self) -> None:
        save_checkpoint(
            self._folder,
            self.model,
            self._optimiser,
            self.step,
            self.loss,
            begun=self._begun,
            curve=self._curve,
        )

    def _report(self, speed: float) -> Report:
        return Report(
            step=self.step,
            total=self._total,
            loss=self.loss,
            valid=self._valid,
            tokens_per_s=speed,
        )

    def _speed(self, first: int, began_s: float) -> float:
        tokens = (self.step - first) * self._preset.batch * self._preset.window
        return tokens / max(time.monotonic() - began_s, 1e-9)


def _optimiser(model: NativeModel, lr: float) -> torch.optim.AdamW:
    decayed, others = list[torch.nn.Parameter](), list[torch.nn.Parameter]()
    for name, parameter in model.named_parameters():
        is_matrix = parameter.dim() == 2 and not name.endswith(("inner_scale", "inner_shift"))
        (decayed if is_matrix else others).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=BETAS)
