"""Spoilt soul files by the thousand: each is refused with a reason, none does harm.

``make campaign-souls`` runs 5,000; ``SOUL_MUTATIONS`` sets how many.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sould.errors import SoulInvalid
from sould.soulfile.header import check_seal, read_header, recognise
from sould.soulfile.original import read_original
from sould.soulfile.record import SoulRecord, read, verify, write
from tests.fakes.souls import Json, join, make_soul, same, split

MUTATIONS = int(os.environ.get("SOUL_MUTATIONS", "400"))
SEED = 20260102

Spoil = Callable[[bytes, random.Random], bytes]

VALUES: list[Any] = [
    None, True, -1, 0, 2**64, 1.5, "", "x", "../..", "\x00", "é" * 50, [], [[[]]], {}, {"a": 1},
    "9" * 400, "NaN", "[" * 50, '{"a":' * 20, [2, 4], [0, 32], [32, 0], "F64", "I32", "U8",
]  # fmt: skip


def flip_bits(raw: bytes, rng: random.Random) -> bytes:
    spoilt = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        spoilt[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def flip_sealed_bits(raw: bytes, rng: random.Random) -> bytes:
    text, data = split(raw)
    if rng.random() < 0.7:
        return join(flip_bits(text, rng), data)
    return join(text, flip_bits(data, rng))


def truncate(raw: bytes, rng: random.Random) -> bytes:
    return raw[: rng.randrange(len(raw))]


def lengthen(raw: bytes, rng: random.Random) -> bytes:
    return raw + rng.randbytes(rng.randint(1, 64))


def cut_out(raw: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(raw))
    return raw[:start] + raw[start + rng.randint(1, 64) :]


def overwrite(raw: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(raw))
    noise = rng.randbytes(rng.randint(1, 32))
    return raw[:at] + noise + raw[at + len(noise) :]


def swap_tensors(raw: bytes, rng: random.Random) -> bytes:
    """Give two tensors each other's place in the data."""
    header, data = _header(raw)
    one, other = rng.sample(sorted(header.keys() - {"__metadata__"}), 2)
    header[one], header[other] = header[other], header[one]
    return _joined(header, data)


def edit_metadata(raw: bytes, rng: random.Random) -> bytes:
    header, data = _header(raw)
    metadata = header["__metadata__"]
    key = rng.choice(sorted(metadata))
    match rng.randrange(3):
        case 0:
            del metadata[key]
        case 1:
            metadata[key] = rng.choice(VALUES)
        case _:
            text = metadata[key] or "x"
            at = rng.randrange(len(text))
            metadata[key] = text[:at] + rng.choice('x0"{}[],:9\\\x7f/é') + text[at + 1 :]
    return _joined(header, data)


def edit_entry(raw: bytes, rng: random.Random) -> bytes:
    header, data = _header(raw)
    name = rng.choice(sorted(header.keys() - {"__metadata__"}))
    match rng.randrange(4):
        case 0:
            del header[name]
        case 1:
            header[rng.choice(["", "x", name + "x", name.replace("0", "7")])] = header.pop(name)
        case 2:
            header[name] = rng.choice(VALUES)
        case _:
            header[name][rng.choice(["dtype", "shape", "data_offsets"])] = rng.choice(VALUES)
    return _joined(header, data)


BROKEN_SEAL: tuple[Spoil, ...] = (flip_bits, truncate, lengthen, cut_out, overwrite)
FORGED_SEAL: tuple[Spoil, ...] = (flip_sealed_bits, swap_tensors, edit_metadata, edit_entry)


def test_no_spoilt_file_does_worse_than_be_refused(tmp_path: Path) -> None:
    path, again = tmp_path / "x.soul", tmp_path / "again.soul"
    sound = SoulRecord(write(path, make_soul()), make_soul().tensors)
    raw = path.read_bytes()
    outcomes: Counter[str] = Counter()
    for number in range(MUTATIONS):
        rng = random.Random(SEED + number)
        spoil = rng.choice(BROKEN_SEAL + FORGED_SEAL)
        path.write_bytes(spoil(raw, rng))
        found = _read(path)
        if found is None:
            outcome = "refused"
        elif same(found, sound):
            outcome = "equal"
        else:
            assert spoil in FORGED_SEAL, f"mutation {number}: {spoil.__name__} went unnoticed"
            write(again, found)
            assert same(read(again), SoulRecord(read_header(again), found.tensors))
            outcome = "another sound soul"
        outcomes[f"{spoil.__name__}: {outcome}"] += 1
    print(f"{MUTATIONS} spoilt soul files: {dict(sorted(outcomes.items()))}")
    refused = sum(n for key, n in outcomes.items() if key.endswith(": refused"))
    assert refused > 0.7 * MUTATIONS


def _read(path: Path) -> SoulRecord | None:
    """Try every reader; return the soul if it was read. All must agree."""
    for light in (recognise, read_header, check_seal, read_original):
        _refused(light, path)
    report = verify(path)
    try:
        found = read(path)
    except SoulInvalid as e:
        assert str(path) in e.message
        assert report.faults
        return None
    assert report.faults == ()
    return found


def _refused(reader: Callable[[Path], object], path: Path) -> bool:
    try:
        reader(path)
    except SoulInvalid as e:
        assert str(path) in e.message
        return True
    return False


def _header(raw: bytes) -> tuple[Json, bytes]:
    text, data = split(raw)
    return json.loads(text), data


def _joined(header: Json, data: bytes) -> bytes:
    return join(json.dumps(header, separators=(",", ":")).encode(), data)
