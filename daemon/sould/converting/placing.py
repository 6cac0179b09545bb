"""A converted body put into ``models/`` whole, as a Hugging Face folder, and read again there."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sould.converting.describing import sidecars
from sould.durable import replace_file
from sould.engine import bases
from sould.engine.bodies import FAMILIES
from sould.engine.bodies.common import stored_name
from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.formats.bases import SCALES_SUFFIX, packed_shape
from sould.engine.spec import BodySpec
from sould.engine.weights import BodyWeights, Weight, count_bases
from sould.errors import BadRequest, StorageError

_DTYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.uint8: "U8",
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """What its README says of a body: under which licence it is, and how it was made."""

    licence: str
    text: str


@dataclass(frozen=True)
class _Entry:
    """A tensor to be written, made when its turn comes."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    make: Callable[[], Tensor]

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def place_body(place: Path, body: BodyFile, weights: BodyWeights, n: int, card: Card) -> None:
    """Write ``body`` with its new ``weights`` of ``n`` bases; nothing is in ``place`` before.

    Raises:
        BadRequest: something is in its place by now, or the original says what no config.json can.
        StorageError: it cannot be written; nothing of it is left.
    """
    draft = place.with_name(f".{place.name}.new")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, content in sidecars(body, n).items():
            replace_file(draft / name, [content])
        replace_file(draft / "README.md", [_readme(card).encode()])
        replace_file(draft / "model.safetensors", _safetensors(_entries(body, weights)))
        _require_same(body, open_body(draft))
        if os.path.lexists(place):
            raise BadRequest(f"{place} is there already", "give the new body another name")
        draft.rename(place)
    except OSError as e:
        raise StorageError(f"{place} cannot be written: {e.strerror or e}") from e
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _require_same(body: BodyFile, made: BodyFile) -> None:
    """Refuse a folder that does not say of the body what the original says.

    Raises:
        BadRequest: what it says otherwise.
    """
    found = replace(made.spec, bases=0, inv_freq=body.spec.inv_freq)
    pairs = zip(made.spec.inv_freq, body.spec.inv_freq, strict=False)
    is_same = {
        field.name: getattr(found, field.name) == getattr(body.spec, field.name)
        for field in fields(BodySpec)
    }
    is_same["inv_freq"] = all(math.isclose(a, b, rel_tol=1e-5) for a, b in pairs)
    for name in ("bos", "eos", "add_bos"):
        is_same[name] = getattr(made.special, name) == getattr(body.special, name)
    is_same["chat template"] = made.chat_template == body.chat_template
    other = [name for name, same in is_same.items() if not same]
    if other:
        raise BadRequest(
            f"{body.path} cannot be converted: {', '.join(other)} would not be what it is there",
            "convert the body from its Hugging Face folder",
        )


def _entries(body: BodyFile, weights: BodyWeights) -> Iterator[_Entry]:
    """Yield all tensors of the body by the names of its family."""
    names = FAMILIES[body.family].hf_names

    def entry(role: str, tensor: Tensor) -> _Entry:
        return _Entry(stored_name(names, role), tensor.dtype, tuple(tensor.shape), lambda: tensor)

    yield entry("embed", weights.embed.data)
    yield entry("final_norm", weights.final_norm)
    if not body.spec.tied:
        yield entry("head", weights.head.data)
    for i, layer in enumerate(weights.layers):
        for field in fields(layer):
            part, role = getattr(layer, field.name), f"layers.{i}.{field.name}"
            if isinstance(part, Tensor):
                yield entry(role, part)
            elif isinstance(part, Weight):
                n = count_bases(part.format)
                yield entry(role + SCALES_SUFFIX, bases.scales(part.data, n))
                shape = packed_shape(n, part.rows, part.cols)
                name = stored_name(names, role)
                yield _Entry(name, torch.uint8, shape, partial(_digits, part, n))


def _digits(weight: Weight, n: int) -> Tensor:
    return bases.to_digits(bases.codes(weight.data, n, weight.cols))


def _safetensors(entries: Iterator[_Entry]) -> Iterator[bytes]:
    """Yield a safetensors file: wide types first, so that all of them lie at their multiples."""
    ordered = sorted(entries, key=lambda one: (-one.dtype.itemsize, one.name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for one in ordered:
        offsets = [at, at := at + one.nbytes]
        header[one.name] = {
            "dtype": _DTYPES[one.dtype],
            "shape": one.shape,
            "data_offsets": offsets,
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for one in ordered:
        yield one.make().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _readme(card: Card) -> str:
    licence = f"license: {card.licence}\n" if card.licence else ""
    return f"---\n{licence}tags:\n- ternary\n---\n\n{card.text}\n"
