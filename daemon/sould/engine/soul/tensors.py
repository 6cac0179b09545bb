"""A soul's weights as a soul file has them, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sould.engine.native.soul import StateSoul, stacked
from sould.engine.runner import AnySoul
from sould.engine.soul.weights import (
    FAST,
    MATRICES,
    RANKS,
    SLOW,
    Fault,
    Lanes,
    MatrixName,
    Soul,
)
from sould.engine.spec import BodySpec
from sould.errors import SoulInvalid
from sould.soulfile.layout import first_layers, first_name, is_scope
from sould.soulfile.meta import Dims
from sould.soulfile.record import Weights


def dims_of(spec: BodySpec) -> Dims:
    """Return the sizes that a soul for a body depends on."""
    rows, cols = (spec.n_heads * spec.head_dim, spec.head_dim) if spec.ttt else (0, 0)
    return Dims(
        n_layers=spec.n_layers,
        d_model=spec.d_model,
        d_ff=spec.d_ff,
        state_rows=rows,
        state_cols=cols,
    )


def all_tensors(soul: AnySoul) -> dict[str, NDArray[np.float32]]:
    """Return copies of all tensors by their names in a file."""
    return {name: array for part in (SLOW, FAST) for name, array in tensors_of(soul, part).items()}


def tensors_of(soul: AnySoul, part: str) -> dict[str, NDArray[np.float32]]:
    """Return copies of one part's tensors by their names in a file; none for an empty part.

    The states of a native body are all of the fast part: what reads them goes on learning.
    """
    if isinstance(soul, StateSoul):
        return {} if soul.is_empty or part != FAST else _states_of(soul)
    if soul.is_empty(part):
        return {}
    rows = soul.rows(part)
    found = {f"scope.{part}": soul.scope[rows].numpy().copy()}
    for layer in range(soul.first, soul.spec.n_layers):
        for name in MATRICES:
            stem = f"layers.{layer}.{name}.{part}"
            found[f"{stem}.A"] = soul.a[name][layer, rows].numpy().copy()
            found[f"{stem}.B"] = np.ascontiguousarray(soul.b[name][layer, rows].numpy().T)
    return found


def soul_of(
    spec: BodySpec,
    tensors: Weights,
    *,
    limits: Mapping[MatrixName, torch.Tensor],
    seed: int,
) -> Soul:
    """Return the soul of a file's tensors; parts that are not in it are empty, of usual rank, and a
    slow part of before there were slots gets them.

    Raises:
        SoulInvalid: a matrix is over its limit on this body.
    """
    firsts = first_layers(dims_of(spec), tensors)
    found = {part: len(tensors[first_name(layer, part)]) for part, layer in firsts.items()}
    ranks = {**RANKS, **found, SLOW: max(RANKS[SLOW], found.get(SLOW, 0))}
    reads = max(firsts.values(), default=0) or None  # of before there were scopes: all layers
    soul = Soul(spec, ranks=ranks, seed=seed, limits=limits, reads=reads)
    lie = {part: _where(soul, part, rank) for part, rank in found.items()}

    def fill() -> None:
        for key, array in tensors.items():
            if is_scope(key):
                soul.scope[lie[key.removeprefix("scope.")]] = torch.from_numpy(array)
                continue
            _, layer, name, part, factor = key.split(".")
            side = soul.a if factor == "A" else soul.b
            rows = torch.from_numpy(array if factor == "A" else array.T)
            side[name][int(layer), lie[part]] = rows  # type: ignore[index]

    if (fault := soul.change(fill)) is not None:
        raise SoulInvalid(
            f"the soul is {fault.what}: {fault.where} has the norm {fault.value:.4g}, "
            f"on this body {fault.limit:.4g} is the most"
        )
    return soul


def _where(soul: Soul, part: str, rank: int) -> list[int]:
    """Return where the ranks of a part of a file lie in a soul, which may have more slots; ranks of
    before there were slots lie in the first ones.
    """
    mine = soul.rows(part)
    if rank == soul.ranks[part]:
        return [*range(mine.start, mine.stop)]
    old, new = Lanes.of(rank), Lanes.of(soul.ranks[part])
    lanes = [(old.wide, new.wide), (old.begins, new.begins), (old.rests, new.rests)]
    where = {theirs: ours for both in lanes for theirs, ours in zip(*both, strict=False)}
    where |= dict(zip(reversed(old.voice), reversed(new.voice), strict=False))
    free = iter(sorted(set(range(soul.ranks[part])) - set(where.values())))
    return [mine.start + (where[rank] if rank in where else next(free)) for rank in range(rank)]


def state_soul_of(first: Sequence[torch.Tensor], tensors: Weights) -> StateSoul:
    """Return the soul of a file's states, for a body that begins with ``first``.

    Raises:
        SoulInvalid: a state is over its limit on this body.
    """
    soul = StateSoul(first)
    if not tensors:
        return soul
    states = [
        torch.from_numpy(tensors[f"w_state.{i}"]).clone().view_as(own)
        for i, own in enumerate(first)
    ]
    if (fault := soul.change(states)) is not None:
        raise SoulInvalid(
            f"the soul is {fault.what}: {fault.where} has the norm {fault.value:.4g}, "
            f"on this body {fault.limit:.4g} is the most"
        )
    return soul


def consolidate(soul: AnySoul, dreamer: AnySoul, *, seed: int) -> Fault | None:
    """Take what was dreamt into ``soul``, or nothing; the fast part begins anew, by ``seed``."""
    if isinstance(soul, StateSoul):
        assert isinstance(dreamer, StateSoul)
        return soul.change(dreamer.states)
    assert isinstance(dreamer, Soul)
    mine, fresh = soul, Soul(soul.spec, ranks=soul.ranks, seed=seed)

    def take() -> None:
        mine.take(SLOW, dreamer)
        mine.take(FAST, fresh)

    return mine.change(take)


def restore(soul: AnySoul, before: AnySoul) -> Fault | None:
    """Take back what a lesson has changed: the fast part, or the states, become ``before``'s."""
    if isinstance(soul, StateSoul):
        assert isinstance(before, StateSoul)
        return soul.change(before.states)
    mine = soul
    assert isinstance(before, Soul)
    return mine.change(lambda: mine.take(FAST, before))


def _states_of(soul: StateSoul) -> dict[str, NDArray[np.float32]]:
    return {f"w_state.{i}": stacked(s).numpy().copy() for i, s in enumerate(soul.states)}
