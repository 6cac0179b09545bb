"""Which diary records taught a soul: exact, and small enough for a lifetime."""

from __future__ import annotations

import base64
import json
import random

from hypothesis import given
from hypothesis import strategies as st

from sould.soulfile.limits import MAX_TAUGHT_CHARS
from sould.soulfile.taught import pack, unpack

NUMBER = st.integers(0, 70)
OWN = st.builds(
    "{:08}T{:02}{:02}{:02}-{:08x}{}".format,
    st.integers(0, 3),
    NUMBER,
    NUMBER,
    NUMBER,
    st.integers(0, 2**32 - 1),
    st.sampled_from("uaxü"),
)
LINE = st.builds("{}/{}".format, st.sampled_from(["2026-01-02", "x"]), st.integers(0, 12))
ANY = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.frozensets(OWN | LINE | ANY, max_size=30))
def test_every_set_comes_back(ids: frozenset[str]) -> None:
    assert unpack(pack(ids)) == ids


def test_how_each_form_is_written() -> None:
    ids = {
        "20260102T000000-00000000u",
        "20260102T235959-fffffffa",  # too short a number: as it is
        "20260102T000001-00000000a",
        *(f"2026-01-02/{n}" for n in (1, 2, 3, 9)),
        "夜",
    }
    packed = base64.b64encode(bytes(7) + (1 << 33 | 1).to_bytes(7, "big")).decode()
    assert json.loads(pack(ids)) == {
        "days": {"20260102": packed},
        "lines": {"2026-01-02": [[1, 3], [9, 9]]},
        "other": ["20260102T235959-fffffffa", "夜"],
    }
    assert pack([]) == "{}"


def test_twenty_years_fit() -> None:
    """30 turns on each of 7,300 days: 219,000 records."""
    rng = random.Random(0)
    ids = frozenset(
        f"{20260101 + day:08}T{rng.randrange(24):02}0203-{rng.getrandbits(32):08x}u"
        for day in range(7_300)
        for _ in range(30)
    )
    text = pack(ids)
    assert len(text) < 12 * len(ids) < MAX_TAUGHT_CHARS
    assert unpack(text) == ids
