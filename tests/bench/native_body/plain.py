"""A plain PyTorch training loop: the same body, batches and rule as ``sould train``, by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from sould.engine.native.model import NativeModel
from sould.training.checkpoint import load_checkpoint, save_checkpoint
from sould.training.evaluation import batch_of
from sould.training.presets import Preset
from sould.training.schedule import rate_at
from sould.training.tokens import Data

SAVED_EVERY_S = 120.0


class PlainLoop:
    """Trains a model in place. ``step``: steps done."""

    def __init__(
        self, model: NativeModel, data: Data, preset: Preset, *, steps: int, seed: int = 0
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model, self.data, self.preset = model.to(self.device), data, preset
        self.total, self.seed, self.step = steps, seed, 0
        states = ("inner_scale", "inner_shift")
        matrices, others = [], []
        for name, p in model.named_parameters():
            (matrices if p.dim() == 2 and not name.endswith(states) else others).append(p)
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0}]
        self.optimiser = torch.optim.AdamW(groups, lr=preset.lr, betas=(0.9, 0.95))

    def take_step(self) -> float:
        """Take one step; return its loss, nats a token."""
        window = self.preset.window
        random = np.random.default_rng([self.seed, self.step])
        last = len(self.data.train) - window - 1
        starts = random.integers(0, last, self.preset.batch, endpoint=True)
        ids_BT = batch_of(self.data.train, starts.tolist(), window).to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, self.total, self.preset.lr)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            x_BTD, _ = self.model(ids_BT[:, :-1], self.model.begin(batch=len(ids_BT)))
            logits_BTV = self.model.logits(x_BTD).float()
            loss = F.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten())
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        return float(loss.detach())


def train_plainly(loop: PlainLoop, folder: Path, tell: Callable[[int, int, float], None]) -> None:
    """Train up to the last step, or from the checkpoint in ``folder`` on; it is kept there.

    ``tell`` gets steps done, steps in all, and the loss.
    """
    folder.mkdir(parents=True, exist_ok=True)
    begun = {"steps": loop.total, "seed": loop.seed}
    state = load_checkpoint(folder, loop.model, loop.optimiser, begun=begun)
    loop.step = state.step if state else 0
    saved_s = time.monotonic()
    while loop.step < loop.total:
        loss = loop.take_step()
        tell(loop.step, loop.total, loss)
        if loop.step == loop.total or time.monotonic() - saved_s > SAVED_EVERY_S:
            save_checkpoint(folder, loop.model, loop.optimiser, loop.step, loss, begun=begun)
            saved_s = time.monotonic()
