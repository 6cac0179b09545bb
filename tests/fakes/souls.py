"""Small souls, and tools to spoil their files: a spoilt file gets a fresh seal, so that the
checks behind the seal are reached."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sould.soulfile.generations import GenerationFile
from sould.soulfile.history import SoulHome
from sould.soulfile.journal import JournalEntry
from sould.soulfile.layout import is_fast, is_scope, tensor_shapes
from sould.soulfile.meta import BodyShape, Dims, SoulMeta
from sould.soulfile.record import SoulRecord

TINY = Dims(n_layers=2, d_model=4, d_ff=6)
BODY = BodyShape(fingerprint="3f9c" * 16, name="smollm2-135m-instruct", dims=TINY)
BOTH = {"slow": 2, "fast": 1}

_SEAL = re.compile(rb'"sha256":"([0-9a-f]{64})"')

Json = dict[str, Any]


def make_meta(**changes: Any) -> SoulMeta:
    known: Json = {
        "name": "mika",
        "created": "2026-01-02T03:04:05+09:00",
        "saved": "2026-01-03T22:10:00.125+09:00",
        "body": BODY.fingerprint,
        "body_name": BODY.name,
        "family": "llama",
        "dims": BODY.dims,
        "level": 1234,
        "parent": "a1" * 32,
        "taught": frozenset({"20260102T030405-9a0bcafeu", "2025-12-31/7", "hand made"}),
        "config": {"rank": {"slow": 2, "fast": 1}, "inner_lr": 0.001},
        "scores": {"recall": 0.75, "nights": [0.6, 0.7], "note": "夜"},
    }
    return SoulMeta(**known | changes)


def make_tensors(
    dims: Dims = TINY,
    ranks: Mapping[str, int] = BOTH,
    seed: int = 0,
    firsts: Mapping[str, int] | None = None,
) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    return {
        name: random.standard_normal(shape, dtype=np.float32)
        for name, shape in tensor_shapes(dims, ranks, firsts).items()
    }


def make_soul(seed: int = 0, **changes: Any) -> SoulRecord:
    return SoulRecord(make_meta(**changes), make_tensors(seed=seed))


def without_scopes(soul: SoulRecord) -> SoulRecord:
    """Return a soul as version 1 has it."""
    return SoulRecord(soul.meta, {n: t for n, t in soul.tensors.items() if not is_scope(n)})


def make_entry(
    seed: int = 3, level: int = 2000, taught: str = "later", dims: Dims = TINY, rank: int = 1
) -> JournalEntry:
    tensors = make_tensors(dims, {"fast": rank}, seed)
    return JournalEntry(
        taught=frozenset({taught}),
        level=level,
        shapes=tensor_shapes(dims, {"fast": rank}),
        data=[tensors[name].tobytes() for name in tensors],
    )


def learned(soul: SoulRecord, entry: JournalEntry) -> SoulRecord:
    """Return a generation with an entry of its journal."""
    slow = {name: array for name, array in soul.tensors.items() if not is_fast(name)}
    fast = {
        name: np.frombuffer(data, "<f4").reshape(shape)
        for (name, shape), data in zip(entry.shapes.items(), entry.data, strict=True)
    }
    taught = soul.meta.taught | entry.taught
    meta = dataclasses.replace(soul.meta, level=entry.level, taught=taught)
    return SoulRecord(meta, slow | fast)


def same(one: SoulRecord, other: SoulRecord) -> bool:
    """Tell whether two souls are the same, bit by bit."""
    return (
        one.meta == other.meta
        and one.tensors.keys() == other.tensors.keys()
        and all(
            a.dtype == other.tensors[n].dtype
            and a.shape == other.tensors[n].shape
            and a.tobytes() == other.tensors[n].tobytes()
            for n, a in one.tensors.items()
        )
    )


def undo(home: SoulHome, *, now: datetime, steps: int = 1, to: int | None = None) -> GenerationFile:
    """Go back, as ``soul.undo`` does; return the new generation."""
    return home.go_back(home.older(now=now, steps=steps, to=to), now=now)


def split(raw: bytes) -> tuple[bytes, bytes]:
    """Return the header and the data of a file."""
    end = 8 + int.from_bytes(raw[:8], "little")
    return raw[8:end], raw[end:]


def join(text: bytes, data: bytes) -> bytes:
    """Return a file of this header and data, sealed anew where the header has a seal."""
    found = _SEAL.findall(text)
    length = len(text).to_bytes(8, "little")
    if len(found) == 1:
        blank = text.replace(found[0], b"0" * 64)
        text = text.replace(found[0], hashlib.sha256(length + blank + data).hexdigest().encode())
    return length + text + data


def edited(raw: bytes, edit: Callable[[Json], object], data: bytes | None = None) -> bytes:
    """Return a file whose header was changed in place by ``edit``, sealed anew."""
    text, old_data = split(raw)
    header = json.loads(text)
    edit(header)
    compact = json.dumps(header, separators=(",", ":")).encode()
    return join(compact + b" " * (-len(compact) % 8), old_data if data is None else data)
