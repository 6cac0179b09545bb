"""Which tensors a soul file holds, and in which shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterator, Mapping

from sould.soulfile.container import Entry
from sould.soulfile.jsontext import shown
from sould.soulfile.limits import MAX_HEADER_BYTES, MAX_RANK
from sould.soulfile.meta import Dims

PARTS = ("slow", "fast")
MATRICES = ("gate", "up", "down")

_PART = re.compile(r"\.(slow|fast)\.[AB]$")
_SCOPE = re.compile(r"scope\.(slow|fast)")
_STATE = re.compile(r"w_state\.(0|[1-9][0-9]*)")
_DTYPE_BYTES = {"F32": 4, "F16": 2}


def tensor_shapes(
    dims: Dims, ranks: Mapping[str, int], firsts: Mapping[str, int] | None = None
) -> dict[str, tuple[int, int]]:
    """Return every tensor of a soul by name, A (rank, in) before B (out, rank).

    ``ranks``: of the parts that are not empty. ``firsts``: the layers that they begin with, if not
    with the first.
    """
    firsts = firsts or {}
    wide, back = (dims.d_model, dims.d_ff), (dims.d_ff, dims.d_model)
    sizes = {"gate": wide, "up": wide, "down": back}
    scopes = {f"scope.{part}": (ranks[part], dims.d_model + 1) for part in PARTS if part in ranks}
    return scopes | {
        f"layers.{layer}.{matrix}.{part}.{factor}": shape
        for part in PARTS
        if part in ranks
        for layer in range(firsts.get(part, 0), dims.n_layers)
        for matrix in MATRICES
        for factor, shape in (
            ("A", (ranks[part], sizes[matrix][0])),
            ("B", (sizes[matrix][1], ranks[part])),
        )
    }


def first_layers(dims: Dims, names: Container[str]) -> dict[str, int]:
    """Return the layer that each part begins with, of parts that are not empty: the first of all,
    or one in the middle.
    """
    return {
        part: layer
        for part in PARTS
        for layer in reversed(range(dims.n_layers))  # of all the lowest one
        if first_name(layer, part) in names
    }


def first_name(layer: int, part: str) -> str:
    """Return what the first tensor of a layer of a part is called."""
    return f"layers.{layer}.gate.{part}.A"


def state_shapes(dims: Dims) -> dict[str, tuple[int, int]]:
    """Return every tensor of a native body's soul by name."""
    return {f"w_state.{i}": (dims.state_rows, dims.state_cols) for i in range(dims.n_layers)}


def is_state(name: str) -> bool:
    """Tell whether a tensor is a state of a native body."""
    return bool(_STATE.fullmatch(name))


def is_scope(name: str) -> bool:
    """Tell whether a tensor is the scope of a part."""
    return bool(_SCOPE.fullmatch(name))


def is_fast(name: str) -> bool:
    """Tell whether a tensor is of the part that is learned awake; states are."""
    match = _PART.search(name) or _SCOPE.fullmatch(name)
    return is_state(name) or (match is not None and match[1] == "fast")


def may_be_half(name: str) -> bool:
    """Tell whether a tensor is an A or a B of the slow part, the only ones that are ever F16."""
    match = _PART.search(name)
    return match is not None and match[1] == "slow"


def table(
    shapes: Mapping[str, tuple[int, ...]], halves: Container[str] = frozenset()
) -> dict[str, Entry]:
    """Return header entries of tensors that lie one after the other, F32 but for ``halves``."""
    entries, at = {}, 0
    for name, shape in shapes.items():
        dtype = "F16" if name in halves else "F32"
        end = at + math.prod(shape) * _DTYPE_BYTES[dtype]
        entries[name] = Entry(dtype, shape, at, end)
        at = end
    return entries


def largest_bytes(dims: Dims) -> int:
    """Return the size that no soul file for a body of these sizes exceeds."""
    ranks = {} if dims.has_states else dict.fromkeys(PARTS, MAX_RANK)
    shapes = (state_shapes(dims) if dims.has_states else tensor_shapes(dims, ranks)).values()
    return MAX_HEADER_BYTES + _DTYPE_BYTES["F32"] * sum(map(math.prod, shapes))


def table_faults(dims: Dims, entries: Mapping[str, Entry]) -> Iterator[str]:
    """Yield what is wrong with names, shapes and dtypes. A part is there whole or not at all."""
    firsts = {} if dims.has_states else first_layers(dims, entries)
    if len(middles := sorted({layer for layer in firsts.values() if layer})) > 1:
        yield f"parts begin with different layers in the middle: {middles}"
        return
    ranks: dict[str, int] = {}
    for part, layer in firsts.items():
        name = first_name(layer, part)
        rank = (*entries[name].shape, 0)[0]
        if not 1 <= rank <= MAX_RANK:
            yield f"tensor {name}: rank {rank}, allowed are 1 to {MAX_RANK}"
            return
        ranks[part] = rank
    expected = tensor_shapes(dims, ranks, firsts)
    if dims.has_states:
        expected = state_shapes(dims) if entries else {}
    for name, entry in entries.items():
        if name not in expected:
            match = _PART.search(name) or _SCOPE.fullmatch(name)
            is_headless = match is not None and match[1] not in ranks and not dims.has_states
            first = first_name(dims.n_layers // 2, match[1]) if match else ""
            why = f"without {first}" if is_headless else "unexpected"
            yield f"tensor {shown(name)}: {why}"
        elif entry.dtype not in (allowed := ("F32", "F16") if may_be_half(name) else ("F32",)):
            yield f"tensor {name}: dtype {entry.dtype}, allowed is {' or '.join(allowed)}"
        elif entry.shape != expected[name]:
            yield f"tensor {name}: shape {_axes(entry.shape)}, expected {_axes(expected[name])}"
    for name in expected.keys() - entries.keys():
        if not is_scope(name):  # a soul of before there were any
            yield f"tensor {name}: missing"


def _axes(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape[:8]))})"
