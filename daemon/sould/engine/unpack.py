"""Hold weights dense in f32: for the torch path, where there is the memory for it.

Without the compiled kernel every product unpacks its matrix anew. That is cheap beside a chunk
of prefill, and costs a decoded token many times its own work. Ternary matrices stay as they
are: what is multiplied with them is rounded.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from sould.engine.weights import BodyWeights, LayerWeights, Weight


def unpack(weights: BodyWeights, *, spare_bytes: int) -> BodyWeights:
    """Return the same weights as f32, or as they are where that takes over ``spare_bytes`` more.

    Either way a note says so.
    """
    matrices = {id(w): w for w in (weights.embed, weights.head, *_matrices(weights.layers))}
    packed = [w for w in matrices.values() if w.format not in ("f32", "ternary")]
    if any(w.format == "ternary" for w in matrices.values()):
        note = "ternary weights stay packed: replies are slow without the native kernel"
        weights = replace(weights, notes=(*weights.notes, note))
    extra = sum(4 * w.rows * w.cols for w in packed)  # mapped files stay mapped beside it
    if not packed:
        return weights
    if extra > spare_bytes:
        note = (
            f"weights stay packed: as float32 they take {extra / 1e6:,.0f} MB more, the budget "
            f"leaves {spare_bytes / 1e6:,.0f} MB; replies are slow without the native kernel"
        )
        return replace(weights, notes=(*weights.notes, note))
    dense = {
        key: w if w.format == "ternary" else Weight("f32", w.dense(), w.rows, w.cols)
        for key, w in matrices.items()
    }
    note = f"weights unpacked to float32 ({extra / 1e6:,.0f} MB): torch decodes quicker so"
    return replace(
        weights,
        embed=dense[id(weights.embed)],
        head=dense[id(weights.head)],
        layers=tuple(_with(layer, dense) for layer in weights.layers),
        notes=(*weights.notes, note),
    )


def _matrices(layers: tuple[LayerWeights, ...]) -> list[Weight]:
    parts = (getattr(layer, field.name) for layer in layers for field in fields(layer))
    return [part for part in parts if isinstance(part, Weight)]


def _with(layer: LayerWeights, dense: dict[int, Weight]) -> LayerWeights:
    parts: dict[str, Any] = {field.name: getattr(layer, field.name) for field in fields(layer)}
    return LayerWeights(**{name: dense.get(id(part), part) for name, part in parts.items()})
