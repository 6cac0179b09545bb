"""A native body ready to run, as the engine runs bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from sould.engine.native.cache import StateCache
from sould.engine.native.carry import Carry
from sould.engine.native.model import NativeModel
from sould.engine.native.soul import StateSoul, detached, state_fault
from sould.engine.sampling import NotFinite
from sould.engine.soul.weights import Fault
from sould.engine.wearer import Wearer

STEP_TOKENS = 64  # between two looks whether somebody else wants the body


class Diverged(NotFinite):
    """A state would not be finite, or have grown out of bounds; ``fault`` says which, and how."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(described(fault))
        self.fault = fault


class NativeDecoder(Wearer[StateSoul]):
    """Reads and speaks. What it reads changes the states of the cache, never the soul it wears.

    ``model``: frozen, in f32 on the CPU.
    """

    kernel = None

    def __init__(self, model: NativeModel) -> None:
        self.model = model
        self.spec = model.spec
        self.first = detached(model.first_states())

    def require_fits(self, soul: StateSoul) -> None:
        mine, its = ([tuple(s.shape) for s in some] for some in (self.first, soul.first))
        if mine != its:
            raise ValueError(f"a soul of states {its} beside a body of {mine}")

    def new_cache(self, limit: int) -> StateCache:
        """Return an empty cache for up to ``limit`` tokens."""
        return StateCache(self.spec, limit=limit)

    def begin(self) -> list[Carry]:
        """Return what a text begins with now."""
        return self.model.begin(self.first if self._soul is None else self._soul.states)

    @torch.no_grad()
    def forward(
        self,
        ids: Sequence[int],
        cache: StateCache,
        *,
        want: Literal["last", "all", "none"] = "last",
    ) -> Tensor | None:
        """Read ``ids`` after what is in ``cache`` and append them to it.

        Returns f32 logits: (V,) after the last token, (T, V) for "all", None for "none".

        Raises:
            ValueError: no ids, one outside of the vocabulary, or more than the cache's limit.
            Diverged: a state would; the cache holds what it held before that piece.
        """
        if not ids or min(ids) < 0 or max(ids) >= self.spec.vocab_size:
            raise ValueError(f"{len(ids)} ids, expected some, from 0 to {self.spec.vocab_size - 1}")
        cache.reserve(len(ids))
        carries = self.begin() if cache.carries is None else cache.carries
        parts, at = [], 0
        while at < len(ids):
            piece = list(ids[at : at + cache.next_stop()])
            x_TD, carries = self.read(piece, carries)
            cache.extend(piece, carries)
            parts.append(x_TD)
            at += len(piece)
        if want == "none":
            return None
        if want == "all":
            return self.model.logits(torch.cat(parts))
        return self.model.logits(parts[-1][-1])

    @torch.no_grad()
    def read(
        self, ids: Sequence[int], carries: Sequence[Carry], *, boost: float = 1.0
    ) -> tuple[Tensor, list[Carry]]:
        """Return the residual stream (T, D) of some tokens, and what follows them.

        Raises:
            Diverged: a state would.
        """
        x_BTD, after = self.model(torch.tensor([ids]), carries, boost=boost)
        if (fault := state_fault(self.first, [c.now_BHEE for c in after])) is not None:
            raise Diverged(fault)
        return x_BTD[0], after


def described(fault: Fault) -> str:
    """Say what is wrong with a state."""
    return (
        f"{fault.where} is {fault.what}: its norm is {fault.value:.4g}, {fault.limit:.4g} is most"
    )
