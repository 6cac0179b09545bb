"""The .soul file: what was written is read, and nothing else is."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from soul_client.wire import ErrorCode
from sould.engine.soul.weights import RANKS
from sould.errors import SoulInvalid, SoulMismatch, SoulMissing
from sould.soulfile.header import check_seal, read_header, require_body
from sould.soulfile.layout import is_scope, largest_bytes, may_be_half, table, tensor_shapes
from sould.soulfile.limits import MAX_NORM, MAX_RANK
from sould.soulfile.meta import BodyShape, Dims
from sould.soulfile.names import name_fault
from sould.soulfile.record import SoulRecord, Weights, read, verify, write
from sould.soulfile.writing import restamp_learned
from tests.fakes.souls import (
    BODY,
    TINY,
    edited,
    make_entry,
    make_meta,
    make_soul,
    make_tensors,
    same,
    without_scopes,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
MOMENTS = st.builds(
    lambda moment, offset: moment.isoformat() + offset,
    st.datetimes(),
    st.sampled_from(["Z", "+00:00", "-09:30", "+14:00"]),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mika.soul"


def test_what_was_written_is_read(path: Path) -> None:
    soul = make_soul()
    meta = write(path, soul)
    assert meta == dataclasses.replace(soul.meta, sha256=meta.sha256)
    assert same(read(path, expect=BODY), SoulRecord(meta, soul.tensors))
    assert read_header(path) == check_seal(path) == meta
    report = verify(path, expect=BODY)
    assert report.faults == () and report.meta == meta
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_soul_of_version_1_has_no_scopes_and_is_read(path: Path) -> None:
    soul = without_scopes(make_soul())
    write(path, soul)
    path.write_bytes(edited(path.read_bytes(), lambda h: h["__metadata__"].update(version="1")))
    assert read(path, expect=BODY).tensors.keys() == soul.tensors.keys()
    assert not any(map(is_scope, soul.tensors))


def test_what_16_bits_hold_of_the_slow_part_is_stored_in_16_bits(path: Path) -> None:
    soul = make_soul()
    write(path, soul)
    size = path.stat().st_size
    halved = {name: t.astype(np.float16).astype(np.float32) for name, t in soul.tensors.items()}
    meta = write(path, SoulRecord(soul.meta, halved))
    assert same(read(path, expect=BODY), SoulRecord(meta, halved))
    stored = {name: t.dtype for name, t in load_file(path).items()}
    halves = {name for name, dtype in stored.items() if dtype == np.float16}
    assert halves == {name for name in halved if ".slow." in name}
    assert path.stat().st_size <= size - 2 * sum(halved[name].size for name in halves) + 8

    entry = make_entry()
    restamp_learned(path, path.with_name("later.soul"), meta, entry)
    later = read(path.with_name("later.soul"), expect=BODY)
    assert all(np.array_equal(later.tensors[name], halved[name]) for name in halves)
    assert path.with_name("later.soul").stat().st_size < size


def test_any_safetensors_reader_can_read_it(path: Path) -> None:
    soul = make_soul()
    write(path, soul)
    found = load_file(path)
    assert found.keys() == soul.tensors.keys()
    assert all(np.array_equal(found[name], soul.tensors[name]) for name in found)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_soul_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    size = st.integers(1, 5)
    dims = Dims(n_layers=data.draw(size), d_model=data.draw(size), d_ff=data.draw(size))
    ranks = data.draw(st.dictionaries(st.sampled_from(["slow", "fast"]), st.integers(1, 4)))
    meta = make_meta(
        name=data.draw(st.sampled_from(["mika", "みか", "a.b-c_9", "Ünïcode", "7"])),
        created=data.draw(MOMENTS),
        dims=dims,
        level=data.draw(st.integers(0, 2**63 - 1)),
        parent=data.draw(st.sampled_from(["", "0" * 64, "f" * 64])),
        taught=data.draw(st.frozensets(TEXT)),
        config=data.draw(st.dictionaries(TEXT, JSON, max_size=3)),
        scores=data.draw(st.dictionaries(TEXT, JSON, max_size=3)),
    )
    width = st.floats(-1e3, 1e3, width=32)
    tensors = {
        name: np.full(shape, data.draw(width), np.float32)
        for name, shape in tensor_shapes(dims, ranks).items()
    }
    file = tmp_path_factory.mktemp("any") / "x.soul"
    try:
        sealed = write(file, SoulRecord(meta, tensors))
    except SoulInvalid as e:
        assert "norm" in str(e)
    else:
        assert same(read(file), SoulRecord(sealed, tensors))


def test_the_same_soul_is_the_same_file(path: Path) -> None:
    write(path, make_soul())
    first = path.read_bytes()
    soul = make_soul()
    shuffled = {name: soul.tensors[name] for name in sorted(soul.tensors, reverse=True)}
    write(path, SoulRecord(soul.meta, shuffled))
    assert path.read_bytes() == first


@pytest.mark.parametrize("ranks", [{}, {"slow": 3}, {"fast": 2}])
def test_empty_parts_are_absent(path: Path, ranks: dict[str, int]) -> None:
    soul = SoulRecord(make_meta(), make_tensors(ranks=ranks))
    meta = write(path, soul)
    assert same(read(path), SoulRecord(meta, soul.tensors))


def test_arrays_in_any_order_of_memory(path: Path) -> None:
    soul = make_soul()
    columns = {name: np.asfortranarray(array) for name, array in soul.tensors.items()}
    meta = write(path, SoulRecord(soul.meta, columns))
    assert same(read(path), SoulRecord(meta, soul.tensors))


def test_arrays_that_were_read_can_be_written_into(path: Path) -> None:
    write(path, make_soul())
    for array in read(path).tensors.values():
        array += 1


def test_generations_know_their_parent(path: Path) -> None:
    first = write(path, make_soul(parent=""))
    second = write(path, make_soul(seed=1, parent=first.sha256))
    assert read_header(path).parent == first.sha256 != second.sha256


def spoil(name: str, change: Callable[[Weights], object]) -> SoulRecord:
    soul = make_soul()
    tensors = dict(soul.tensors)
    change(tensors)
    assert name in tensors
    return SoulRecord(soul.meta, tensors)


A, B = "layers.1.down.fast.A", "layers.1.down.fast.B"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nothing_that_is_not_finite_is_written(path: Path, bad: float) -> None:
    write(path, make_soul())
    before = path.read_bytes()
    for name in (A, B):
        soul = spoil(name, lambda t, name=name: t[name].__setitem__((0, 0), bad))  # type: ignore[misc]
        with pytest.raises(SoulInvalid, match=f"'mika' .*{name}: has a number that is not finite"):
            write(path, soul)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_no_norm_over_the_cap_is_written(path: Path) -> None:
    over = MAX_NORM * 1.01
    with pytest.raises(SoulInvalid, match=f"{A}: has the norm"):
        write(path, spoil(A, lambda t: t[A].fill(over)))
    with pytest.raises(SoulInvalid, match=f"{B}: has the norm"):
        write(path, spoil(B, lambda t: t[B].fill(over)))
    both = spoil(A, lambda t: t[A].fill(MAX_NORM / 30))
    both.tensors[B].fill(MAX_NORM / 30)
    with pytest.raises(SoulInvalid, match=r"layers.1.down.fast.B·A: has the norm"):
        write(path, both)
    write(path, spoil(A, lambda t: t[A].fill(MAX_NORM / 30)))


def test_nothing_is_written_that_cannot_be_read(path: Path) -> None:
    soul = make_soul()
    doubles = {name: array.astype(np.float64) for name, array in soul.tensors.items()}
    with pytest.raises(SoulInvalid, match="float64, only float32"):
        write(path, SoulRecord(soul.meta, doubles))  # type: ignore[arg-type]
    with pytest.raises(SoulInvalid, match=f"{B}: missing"):
        write(path, SoulRecord(soul.meta, {n: t for n, t in soul.tensors.items() if n != B}))
    with pytest.raises(SoulInvalid, match="metadata: name"):
        write(path, make_soul(name="../mika"))
    with pytest.raises(SoulInvalid, match="metadata: scores is not JSON"):
        write(path, make_soul(scores={"recall": float("nan")}))
    ranks = {"slow": MAX_RANK + 1}
    with pytest.raises(SoulInvalid, match="rank 65, allowed are 1 to 64"):
        write(path, SoulRecord(soul.meta, make_tensors(ranks=ranks)))
    long = {"x" * 100 + str(n): "\x00" * 50_000 for n in range(1)}
    with pytest.raises(SoulInvalid, match="the limit is 65536"):
        write(path, make_soul(config=long))
    many = frozenset(f"2026-01-01/{n}" for n in range(1, 2**20, 2))
    with pytest.raises(SoulInvalid, match="taught"):
        write(path, make_soul(taught=many))
    quotes = frozenset('"' * n for n in range(1, 1_700))  # each four bytes in the header
    with pytest.raises(SoulInvalid, match=r"the header has \d+ bytes, the limit is 4194304"):
        write(path, make_soul(taught=quotes))
    assert not path.exists()


# Bodies


def test_another_body_is_refused_and_both_are_named(path: Path) -> None:
    write(path, make_soul())
    other = BodyShape(fingerprint="a71e" * 16, name="qwen2.5-0.5b", dims=TINY)
    with pytest.raises(SoulMismatch) as caught:
        read(path, expect=other)
    assert caught.value.code is ErrorCode.SOUL_MISMATCH
    assert caught.value.message == (
        "soul 'mika' was grown on body smollm2-135m-instruct (3f9c3f9c3f9c…), "
        "this body is qwen2.5-0.5b (a71ea71ea71e…)"
    )
    assert caught.value.hint == "run 'soul reincarnate mika --body qwen2.5-0.5b'"
    assert "reincarnate" in verify(path, expect=other).faults[0]
    with pytest.raises(SoulMismatch):
        require_body(read_header(path), other)


def test_sizes_that_are_not_those_of_the_body_are_refused(path: Path) -> None:
    write(path, make_soul())
    wider = dataclasses.replace(BODY, dims=dataclasses.replace(TINY, d_ff=7))
    with pytest.raises(SoulInvalid, match=r"'d_ff': 6.*'d_ff': 7"):
        read(path, expect=wider)


def test_a_damaged_soul_is_not_called_a_stranger(path: Path) -> None:
    write(path, make_soul())
    path.write_bytes(path.read_bytes().replace(b'"body":"3', b'"body":"4'))
    with pytest.raises(SoulInvalid, match="is damaged"):
        read(path, expect=BODY)


# Sizes


def test_a_file_over_the_limit_is_not_read(path: Path) -> None:
    write(path, make_soul())
    size = path.stat().st_size
    read(path, max_bytes=size)
    with pytest.raises(SoulInvalid, match=f"has {size} bytes, the limit is {size - 1}"):
        read(path, max_bytes=size - 1)
    assert "the limit is" in verify(path, max_bytes=size - 1).faults[0]


def test_a_large_body_may_have_a_large_soul(path: Path) -> None:
    """What a body's own sizes ask for is read, whatever the limit for strangers."""
    soul = SoulRecord(make_meta(), make_tensors(ranks={"slow": MAX_RANK, "fast": MAX_RANK}))
    write(path, soul)
    assert path.stat().st_size < largest_bytes(TINY)
    read(path, expect=BODY, max_bytes=1)
    assert verify(path, expect=BODY, max_bytes=1).faults == ()


def test_a_full_soul_of_the_default_body_is_within_16_mb() -> None:
    dims = Dims(n_layers=30, d_model=576, d_ff=1536)
    shapes = tensor_shapes(dims, RANKS, dict.fromkeys(RANKS, dims.n_layers // 2))
    entries = table(shapes, set(filter(may_be_half, shapes)))
    assert max(entry.end for entry in entries.values()) < 15_500_000


# Files that are none


def test_no_file(path: Path) -> None:
    for reader in (read, verify, read_header, check_seal):
        with pytest.raises(SoulMissing, match=r"mika\.soul"):
            reader(path)


def test_what_is_not_a_file_is_not_waited_for(path: Path) -> None:
    with pytest.raises(SoulInvalid, match="is not a file"):
        read(path.parent)
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        with pytest.raises(SoulInvalid, match="is not a file"):
            read_header(path)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read(path: Path) -> None:
    write(path, make_soul())
    path.chmod(0)
    with pytest.raises(SoulInvalid, match="cannot be read"):
        read(path)


@pytest.mark.parametrize("module", ["sould.soulfile.header", "sould.durable"])
def test_headers_need_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print({{'numpy', 'torch', 'safetensors'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# Names


@pytest.mark.parametrize("name", ["mika", "みか", "हिन्दी", "ÄÖ", "a.b", "x-1_2", "x" * 64, "9"])
def test_good_names(name: str) -> None:
    assert name_fault(name) == ""


@pytest.mark.parametrize(
    "name",
    ["", "..", ".hidden", "-x", "a/b", "a\\b", "../x", "a\0", "a b", "a\n", "x" * 65, "end.",
     "CON", "nul.soul", "com1", "a\u202eb", "e\u0301", "\ud800", "𠮷" * 49, "~", "a:b", "*"],
)  # fmt: skip
def test_bad_names(name: str) -> None:
    assert name_fault(name) != ""
