"""The soul of a native body: the states of its layers, as reading has left them.

Where a text begins, it begins with these. Of a soul that has read nothing they are the body's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sould.engine.soul.weights import Fault, State

MOST_TIMES = 20.0  # of the norm of an identity, or of what the body begins with


class StateSoul:
    """``first``: of each layer, what the body begins with, (H, E, E); never changed.

    ``states``: what a text begins with. Change them only by :meth:`change`.
    """

    def __init__(self, first: Sequence[Tensor]) -> None:
        self.first = tuple(first)
        self.states = self.first
        self._identity = object()
        self._version = 0

    @property
    def state(self) -> State | None:
        """Changes whenever the states do; None while they are the body's own."""
        return None if self.is_empty else State(self._identity, self._version)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was ever learned."""
        return self.states is self.first

    def copy(self) -> StateSoul:
        """Return a soul that knows the same, and learns on its own."""
        other = StateSoul(self.first)
        other.states = self.states
        return other

    def change(self, states: Sequence[Tensor]) -> Fault | None:
        """Take these states, all or none; return why not."""
        fault = state_fault(self.first, states)
        if fault is None:
            self.states = tuple(states)
            self._version += 1
        return fault

    def norms(self) -> list[float]:
        """Return ‖W - W₀‖ of each layer."""
        pairs = zip(self.states, self.first, strict=True)
        return [float((state - first).norm()) for state, first in pairs]


def state_fault(first: Sequence[Tensor], states: Sequence[Tensor]) -> Fault | None:
    """Say of states that are not finite, or have grown out of bounds, which and how."""
    for i, (own, state) in enumerate(zip(first, states, strict=True)):
        rows = state.shape[-1] * (state.numel() // state.shape[-1] ** 2)
        limit = MOST_TIMES * max(math.sqrt(rows), float(own.norm()))
        norm = float(state.norm())
        if not math.isfinite(norm):
            return Fault("not finite", f"layer {i}: state", norm, limit)
        if norm > limit:
            return Fault("over the cap", f"layer {i}: state", norm, limit)
    return None


def detached(states: Sequence[Tensor]) -> list[Tensor]:
    """Return copies that hold on to nothing else."""
    return [state.detach().clone() for state in states]


def stacked(state_HEE: Tensor) -> Tensor:
    """Return a state as a file has it: (H·E, E), one head below the other."""
    return torch.flatten(state_HEE, 0, 1)
