"""How well a native body foretells held-out text, with its states learning or still."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sould.engine.native.model import NativeModel
from sould.training.tokens import Ids

SPANS = 8  # of a window, of which each has a mean of its own


@dataclass(frozen=True, kw_only=True)
class Marks:
    """``nats`` a token. ``by_position``: of each eighth of the windows, from their beginning."""

    nats: float
    by_position: tuple[float, ...]

    @property
    def perplexity(self) -> float:
        return perplexity_of(self.nats)

    @property
    def perplexities(self) -> list[float]:
        """By position."""
        return [perplexity_of(nats) for nats in self.by_position]


def perplexity_of(nats: float) -> float:
    """Return the perplexity of so many nats a token, at most e to the 50th."""
    return math.exp(min(nats, 50.0))


def marks_of(losses_BT: Tensor) -> Marks:
    """Return the marks of windows, of each token's -ln p in them."""
    mean_T = losses_BT.mean(0)
    spans = [float(part.mean()) for part in mean_T.tensor_split(SPANS) if len(part)]
    return Marks(nats=float(mean_T.mean()), by_position=tuple(spans))


@torch.no_grad()
def evaluate(
    model: NativeModel, ids: Ids, *, window: int, batch: int, most: int, boost: float = 1.0
) -> Marks:
    """Return the marks of a body on up to ``most`` windows of text, spread over all of it.

    ``boost``: 0 leaves the states as the body has them.
    """
    starts = starts_of(len(ids), window, most)
    losses = [
        loss_of(model, batch_of(ids, starts[i : i + batch], window), boost=boost)
        for i in range(0, len(starts), batch)
    ]
    return marks_of(torch.cat(losses))


def loss_of(model: NativeModel, ids_BT: Tensor, *, boost: float = 1.0) -> Tensor:
    """Return -ln p of every token but the first, (B, T - 1)."""
    ids_BT = ids_BT.to(model.embed.weight.device)
    x_BTD, _ = model(ids_BT[:, :-1], model.begin(batch=len(ids_BT)), boost=boost)
    logits_BTV = model.logits(x_BTD).float()
    loss = F.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten(), reduction="none")
    return loss.view(len(ids_BT), -1)


def batch_of(ids: Ids, starts: Sequence[int], window: int) -> Tensor:
    """Return (B, window + 1) ids: each token but the first is foretold."""
    rows = np.stack([ids[start : start + window + 1] for start in starts])
    return torch.from_numpy(rows.astype(np.int64))


def starts_of(size: int, window: int, most: int) -> list[int]:
    """Return where up to ``most`` windows begin, from the first token to the last."""
    count = min(most, max(1, size // (window + 1)))
    last = size - window - 1
    return [round(i * last / max(1, count - 1)) for i in range(count)]
