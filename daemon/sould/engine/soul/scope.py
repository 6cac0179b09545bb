"""What a soul is about, learned, so that it is silent about everything else.

A soul's scope is the linear discriminant (Fisher's) between what goes into one MLP in the middle of
the body where dreams are answered, and where the anchors are read and said. Both come as moments,
which is all that it needs: the bank is looked at once for a body, a dream once.

Scopes of edits: SERAC, arXiv:2206.06520; there a model of its own decides, of whole questions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """From where on a scope is open, and from where on wholly, where the mean outside is -3 and the
    mean inside 3. ``ridge``: of the mean variance, added to every one.
    """

    shut: float = 0.2
    open: float = 0.8
    ridge: float = 0.01


@dataclass
class Moments:
    """``sums``: Σ x, (D,). ``squares``: Σ xxᵀ, (D, D)."""

    count: int
    sums: Tensor
    squares: Tensor

    @staticmethod
    def none(d_model: int) -> Moments:
        return Moments(0, torch.zeros(d_model), torch.zeros(d_model, d_model))

    def see(self, x_TD: Tensor) -> None:
        """Count what went into the MLP at some tokens."""
        x_TD = x_TD.detach().float().cpu()
        self.count += len(x_TD)
        self.sums += x_TD.sum(0)
        self.squares += x_TD.T @ x_TD

    def add(self, seen: Moments) -> None:
        """Count what another one has seen, too."""
        self.count += seen.count
        self.sums += seen.sums
        self.squares += seen.squares

    def without(self, seen: Moments) -> Moments:
        """Return what is left of it without what another one has seen, which is part of it."""
        count = self.count - seen.count
        return Moments(count, self.sums - seen.sums, self.squares - seen.squares)

    @property
    def mean(self) -> Tensor:
        return self.sums / self.count

    @property
    def variance(self) -> Tensor:
        return self.squares / self.count - torch.outer(self.mean, self.mean)


def alike(kinds: Sequence[Moments]) -> Moments:
    """Return the moments of tokens of several kinds, of which each counts alike."""
    sums = torch.stack([kind.sums / kind.count for kind in kinds]).mean(0)
    squares = torch.stack([kind.squares / kind.count for kind in kinds]).mean(0)
    return Moments(1, sums, squares)


def sum_of(kinds: Iterable[Moments]) -> Moments:
    """Return the moments of all tokens of one kind or more."""
    first, *others = kinds
    total = Moments.none(len(first.sums))
    for kind in (first, *others):
        total.add(kind)
    return total


def open_together(scope_RD1: Tensor) -> Tensor:
    """Return for each pair of ranks, (R, R), 1 if they are open to the same tokens, to some at all,
    and 0 if not.
    """
    is_same_RR = (scope_RD1[:, None] == scope_RD1[None]).all(-1)
    return (is_same_RR & scope_RD1.any(-1)).float()


def fitted(inside: Moments, outside: Moments, bounds: Bounds = Bounds()) -> Tensor:
    """Return the weights and the bias, (D + 1,), that are open inside and shut outside."""
    variance = (inside.variance + outside.variance) / 2
    variance += bounds.ridge * variance.diagonal().mean() * torch.eye(len(variance))
    weights_D = torch.linalg.solve(variance, inside.mean - outside.mean)
    high, low = inside.mean @ weights_D, outside.mean @ weights_D
    bias = torch.stack([-(high + low) / 2])
    width = bounds.open - bounds.shut
    scale = 6 / (high - low) / width
    return torch.cat([scale * weights_D, scale * bias - bounds.shut / width])
