"""A soul's weights as a soul file has them, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from sould.engine.soul.weights import MATRICES, RANKS, MatrixName, Soul
from sould.engine.spec import BodySpec
from sould.errors import SoulInvalid
from sould.soulfile.meta import Dims
from sould.soulfile.record import Weights


def dims_of(spec: BodySpec) -> Dims:
    """Return the sizes that a soul for a body depends on."""
    return Dims(n_layers=spec.n_layers, d_model=spec.d_model, d_ff=spec.d_ff)


def tensors_of(soul: Soul, part: str) -> dict[str, NDArray[np.float32]]:
    """Return copies of one part's tensors by their names in a file; none for an empty part."""
    if soul.is_empty(part):
        return {}
    rows, found = soul.rows(part), {}
    for layer in range(soul.spec.n_layers):
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
    """Return the soul of a file's tensors; parts that are not in it are empty, of usual rank.

    Raises:
        SoulInvalid: a matrix is over its limit on this body.
    """
    ranks = {
        part: len(tensors[first]) if (first := f"layers.0.gate.{part}.A") in tensors else rank
        for part, rank in RANKS.items()
    }
    soul = Soul(spec, ranks=ranks, seed=seed, limits=limits)

    def fill() -> None:
        for key, array in tensors.items():
            _, layer, name, part, factor = key.split(".")
            side = soul.a if factor == "A" else soul.b
            rows = torch.from_numpy(array if factor == "A" else array.T)
            side[name][int(layer), soul.rows(part)] = rows  # type: ignore[index]

    if (fault := soul.change(fill)) is not None:
        raise SoulInvalid(
            f"the soul is {fault.what}: {fault.where} has the norm {fault.value:.4g}, "
            f"on this body {fault.limit:.4g} is the most"
        )
    return soul
