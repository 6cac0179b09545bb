"""Files that lie: each check of the reader has one that only it can refuse.

All are sealed as a forger would, so that the seal does not hide the other checks.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sould.errors import SoulInvalid
from sould.soulfile import limits
from sould.soulfile.header import check_seal, read_header
from sould.soulfile.meta import Dims
from sould.soulfile.record import SoulRecord, read, verify, write
from tests.fakes.souls import (
    Json,
    edited,
    join,
    make_meta,
    make_soul,
    make_tensors,
    split,
    without_scopes,
)

FIRST = "layers.0.gate.slow.A"  # shape (2, 4)
LAST = "layers.1.up.slow.B"  # the last in the file but for the scopes
END = "scope.slow"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mika.soul"


@pytest.fixture
def sound(path: Path) -> bytes:
    write(path, make_soul())
    return path.read_bytes()


def refuse(path: Path, raw: bytes, match: str, *, header_too: bool = True) -> None:
    """Hold every reader to refusing a file for the same reason."""
    path.write_bytes(raw)
    for reader in (read_header, check_seal, read) if header_too else (read,):
        with pytest.raises(SoulInvalid, match=match) as caught:
            reader(path)
        assert str(path) in caught.value.message
    faults = verify(path).faults
    assert faults
    assert not any(str(path) in fault for fault in faults)


def test_the_tools_of_these_tests_make_sound_files(path: Path, sound: bytes) -> None:
    assert edited(sound, lambda header: None) == sound
    path.write_bytes(edited(sound, lambda h: h["__metadata__"].update(level="5")))
    assert read(path).meta.level == 5


# The container


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda raw: b"", "truncated"),
        (lambda raw: raw[:7], "truncated"),
        (lambda raw: raw[:20], "truncated"),
        (lambda raw: raw[:-1], "truncated"),
        (lambda raw: raw + b"\0", "too long"),
        (lambda raw: (2**63).to_bytes(8, "little") + raw[8:], "header of 9223372036854775808"),
        (lambda raw: (2).to_bytes(8, "little") + b"[]", "does not begin with '{'"),
        (lambda raw: join(b'{"a":1,\xff}', b""), "no UTF-8"),
        (lambda raw: join(b'{"a":', b""), "is not JSON"),
        (lambda raw: join(b'{"a":NaN}', b""), "NaN is no number"),
        (lambda raw: join(b'{"a":' + b"9" * 5000 + b"}", b""), "is not JSON"),
        (lambda raw: join(b'{"a":' + b"[" * 100_000, b""), "too deep"),
        (lambda raw: join(b'{"a":[[[[]]]]}', b""), "nested too deep"),
        (lambda raw: join(b'{"a":"\\ud800"}', b""), "surrogate"),
        (lambda raw: join(b'{"a":1e999}', b""), "not finite"),
        (lambda raw: join(b'{"a":9223372036854775808}', b""), "64 bits"),
        (lambda raw: join(b'{"a":[' + b"0," * 300_000 + b"0]}", b""), "too many values"),
        (lambda raw: join(b'{"' + b"k" * 300 + b'":1}', b""), "key of 300 characters"),
        (lambda raw: join(b'{"__metadata__":{"a":1}}', b""), "is not text to text"),
        (lambda raw: join(b'{"__metadata__":[]}', b""), "is not text to text"),
        (lambda raw: join(b" " + split(raw)[0], split(raw)[1]), "does not begin"),
    ],
)
def test_containers(path: Path, sound: bytes, spoil: Callable[[bytes], bytes], match: str) -> None:
    refuse(path, spoil(sound), match)


def test_the_header_is_bounded(path: Path) -> None:
    most = limits.MAX_HEADER_BYTES
    refuse(path, join(b"{}" + b" " * (most - 1), b""), f"the limit is {most}")
    refuse(path, join(b"{}" + b" " * (most - 2), b""), "no soul")


def test_tensors_are_counted(path: Path) -> None:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    names: Json = {str(n): entry for n in range(limits.MAX_TENSORS + 1)}
    refuse(path, join(json.dumps(names).encode(), b""), "has 16385 tensors")


def test_a_key_twice(path: Path, sound: bytes) -> None:
    text, data = split(sound)
    refuse(path, join(text.replace(b'"level":', b'"name":"x","level":'), data), "occurs twice")
    twice = text.replace(b'"layers.0.', b'"' + FIRST.encode() + b'":{},"layers.0.', 1)
    refuse(path, join(twice, data), "occurs twice")
    escaped = text.replace(b'"sha256":', b'"sha25\\u0036":"' + b"0" * 64 + b'","sha256":')
    refuse(path, join(escaped, data), "occurs twice")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dtype": 7}, "is not a dtype"),
        ({"dtype": "F31"}, "unknown dtype"),
        ({"shape": [2, -4]}, "is not a dtype"),
        ({"shape": [2, 4.0]}, "is not a dtype"),
        ({"shape": [2, True]}, "is not a dtype"),
        ({"shape": 8}, "is not a dtype"),
        ({"shape": [1] * 7 + [2, 4]}, "is not a dtype"),
        ({"shape": [2, 5]}, "is not that of its bytes"),
        ({"dtype": "F16"}, "is not that of its bytes"),
        ({"data_offsets": [0]}, "is not a dtype"),
        ({"data_offsets": [0, "32"]}, "is not a dtype"),
        ({"data_offsets": [32, 0]}, "is not that of its bytes"),
        ({"extra": 1}, "is not a dtype"),
    ],
)
def test_entries(path: Path, sound: bytes, change: Json, match: str) -> None:
    refuse(path, edited(sound, lambda h: h[FIRST].update(change)), f"{FIRST}: .*{match}")


def test_overlaps_and_holes(path: Path, sound: bytes) -> None:
    def move(by: int) -> Callable[[Json], None]:
        def edit(header: Json) -> None:
            offsets = header[END]["data_offsets"]
            header[END]["data_offsets"] = [offsets[0] + by, offsets[1] + by]

        return edit

    refuse(path, edited(sound, move(-4)), f"{END}: overlaps")
    refuse(path, edited(sound, move(4)), f"{END}: has a hole")
    refuse(path, edited(sound, move(2**60)), f"{END}: has a hole")
    longer = split(sound)[1] + bytes(8)
    refuse(path, edited(sound, lambda h: None, longer), "too long")
    refuse(path, edited(sound, lambda h: None, split(sound)[1][:-8]), "truncated")


# The tensors


def rename(old: str, new: str) -> Callable[[Json], None]:
    def edit(header: Json) -> None:
        header[new] = header.pop(old)

    return edit


@pytest.mark.parametrize(
    "name",
    ["layers.2.gate.slow.A", "layers.00.gate.slow.A", "layers.0.q_proj.slow.A", "../x", "",
     "layers.0.gate.slow.C", "layers.0.gate.medium.A", "layers.-1.gate.slow.A", "x" * 200,
     "layers.٠.gate.slow.B", "scope", "scope.medium"],
)  # fmt: skip
def test_names_that_are_not_expected(path: Path, sound: bytes, name: str) -> None:
    refuse(path, edited(sound, rename(LAST, name)), f"tensor .*: unexpected|{LAST}: missing")
    assert any("unexpected" in fault for fault in verify(path).faults)
    assert f"tensor {LAST}: missing" in verify(path).faults


def drop_last(header: Json) -> None:
    del header[LAST]


def test_a_part_is_there_whole_or_not_at_all(path: Path, sound: bytes) -> None:
    write(path, without_scopes(make_soul()))
    old = path.read_bytes()
    refuse(path, edited(old, drop_last, split(old)[1][: -6 * 2 * 4]), f"{LAST}: missing")
    headless = edited(sound, rename(FIRST, "layers.0.gate.fasts.A"))
    refuse(path, headless, r"layers\.0\.down\.slow\.A: unexpected")


def test_a_part_begins_with_the_first_layer_or_in_the_middle(path: Path) -> None:
    dims = Dims(n_layers=5, d_model=4, d_ff=6)
    for firsts in ({"slow": 2, "fast": 2}, {"slow": 0, "fast": 3}, {"slow": 4, "fast": 0}):
        soul = SoulRecord(make_meta(dims=dims), make_tensors(dims, firsts=firsts))
        write(path, soul)
        assert read(path).tensors.keys() == soul.tensors.keys()
    two = SoulRecord(make_meta(dims=dims), make_tensors(dims, firsts={"slow": 2, "fast": 3}))
    with pytest.raises(SoulInvalid, match=r"different layers in the middle: \[2, 3\]"):
        write(path, two)
    whole = make_tensors(dims, firsts={"slow": 2})
    for missing, why in (
        ("layers.3.gate.slow.A", "layers.3.gate.slow.A: missing"),
        ("layers.2.gate.slow.A", "layers.2.down.slow.A: unexpected"),
    ):
        holed = {name: tensor for name, tensor in whole.items() if name != missing}
        with pytest.raises(SoulInvalid, match=why):
            write(path, SoulRecord(make_meta(dims=dims), holed))


def test_scopes_belong_to_parts(path: Path, sound: bytes) -> None:
    write(path, SoulRecord(make_meta(), make_tensors(ranks={"slow": 2})))
    raw = path.read_bytes()
    refuse(path, edited(raw, rename(END, "scope.fast")), "scope.fast: without layers.1.gate.fast.A")
    narrow = edited(raw, lambda h: h[END].update(shape=[1, 10]))
    refuse(path, narrow, r"scope.slow: shape \(1, 10\), expected \(2, 5\)")


def as_dtype(dtype: str, shape: list[int]) -> Callable[[Json], None]:
    return lambda h: h[FIRST].update(dtype=dtype, shape=shape)


def test_dtypes_and_shapes(path: Path, sound: bytes) -> None:
    refuse(
        path, edited(sound, as_dtype("I32", [2, 4])), f"{FIRST}: dtype I32, allowed is F32 or F16"
    )
    refuse(path, edited(sound, as_dtype("F64", [2, 2])), f"{FIRST}: dtype F64, allowed is F32 or")
    scope = edited(sound, lambda h: h[END].update(dtype="F16", shape=[2, 10]))
    refuse(path, scope, f"{END}: dtype F16, allowed is F32$")
    refuse(path, edited(sound, as_dtype("F32", [2, 4, 1])), "shape .2, 4, 1., expected .2, 4.")
    flat = edited(sound, lambda h: h[LAST].update(shape=[12]))
    refuse(path, flat, r"shape \(12\), expected \(6, 2\)")
    swapped = edited(sound, lambda h: h[LAST].update(shape=[2, 6]))
    refuse(path, swapped, r"shape \(2, 6\), expected \(6, 2\)")
    deeper: Json = {"n_layers": 2, "d_model": 4, "d_ff": 7}
    text = json.dumps(deeper)
    refuse(path, edited(sound, lambda h: h["__metadata__"].update(dims=text)), "expected")


@pytest.mark.parametrize("rank", [0, 65])
def test_ranks(path: Path, sound: bytes, rank: int) -> None:
    """A file that is consistent in itself, with a rank that is none or too much."""
    shapes = {"A": [rank, 1], "B": [1, rank]}
    names = [f"layers.0.{m}.slow.{f}" for m in ("gate", "up", "down") for f in "AB"]
    size = 4 * rank

    def edit(header: Json) -> None:
        metadata = header["__metadata__"] | {"dims": '{"n_layers":1,"d_model":1,"d_ff":1}'}
        header.clear()
        header["__metadata__"] = metadata
        for n, name in enumerate(names):
            offsets = [n * size, (n + 1) * size]
            header[name] = {"dtype": "F32", "shape": shapes[name[-1]], "data_offsets": offsets}

    refuse(path, edited(sound, edit, bytes(size * 6)), f"rank {rank}, allowed are 1 to 64")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(path: Path, sound: bytes, bad: float) -> None:
    data = np.float32(bad).tobytes() + split(sound)[1][4:]
    refuse(path, edited(sound, lambda h: None, data), "not finite", header_too=False)
    data = split(sound)[1][:-4] + np.float32(bad).tobytes()
    refuse(path, edited(sound, lambda h: None, data), "not finite", header_too=False)


def test_signalling_nan(path: Path, sound: bytes) -> None:
    data = (0x7F800001).to_bytes(4, "little") + split(sound)[1][4:]
    refuse(path, edited(sound, lambda h: None, data), "not finite", header_too=False)


@pytest.mark.parametrize("huge", [1.1e4, 3.4e38])
def test_norms(path: Path, sound: bytes, huge: float) -> None:
    data = np.float32(huge).tobytes() + split(sound)[1][4:]
    refuse(path, edited(sound, lambda h: None, data), "has the norm", header_too=False)


def test_product_norms(path: Path, sound: bytes) -> None:
    data = np.full(len(split(sound)[1]) // 4, 300, "<f4").tobytes()
    spoilt = edited(sound, lambda h: None, data)
    refuse(path, spoilt, "B·A: has the norm", header_too=False)


# The seal


def test_every_single_bit_is_sealed(path: Path, sound: bytes) -> None:
    for at in range(0, len(sound) * 8, 7):
        flipped = bytearray(sound)
        flipped[at // 8] ^= 1 << at % 8
        path.write_bytes(flipped)
        with pytest.raises(SoulInvalid):
            read(path)
        with pytest.raises(SoulInvalid):
            check_seal(path)


def test_the_seal_says_damaged(path: Path, sound: bytes) -> None:
    for spoilt in (
        sound[:-1] + bytes([sound[-1] ^ 1]),
        sound.replace(b'"level":"1234"', b'"level":"9234"'),
    ):
        path.write_bytes(spoilt)
        for reader in (read, check_seal):
            with pytest.raises(SoulInvalid, match="is damaged"):
                reader(path)
    path.write_bytes(sound.replace(b'"level":"1234"', b'"level":"9234"'))
    assert read_header(path).level == 9234  # a header alone cannot tell
    assert "is damaged" in verify(path).faults[0]


def test_a_seal_in_another_spelling(path: Path, sound: bytes) -> None:
    text, data = split(sound)
    spaced = text.replace(b'"sha256":', b'"sha256": ')
    path.write_bytes(join(spaced, data))
    with pytest.raises(SoulInvalid, match="sha256 is not written as"):
        check_seal(path)


# The metadata


MANY_IDS = json.dumps({"lines": {"2026-01-01": [[1, 999_999_999]]}})


def day(number: int) -> str:
    return base64.b64encode(number.to_bytes(7, "big")).decode()


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("version", "6", "version is '6', this Bit-TTT reads 1, 2, 3, 4 and 5"),
        ("version", None, "version is missing"),
        ("format", "bit-ttt-sole", "no soul"),
        ("extra", "x", "extra is unknown"),
        *((key, None, f"{key} is missing") for key in (
            "name", "created", "saved", "body", "body_name", "family", "dims", "level", "parent",
            "taught", "config", "scores", "sha256")),
        ("name", "../mika", "name has"),
        ("name", "", "name is empty"),
        ("created", "yesterday", "created 'yesterday' is no RFC 3339"),
        ("created", "2026-01-02T03:04:05", "RFC 3339 time with an offset"),
        ("created", "2026-13-02T03:04:05Z", "RFC 3339"),
        ("created", "2026-W01-1T03:04:05Z", "RFC 3339"),
        ("saved", "2026-01-02 03:04:05Z", "RFC 3339"),
        ("saved", "2026-01-02T03:04:05+99:00", "RFC 3339"),
        ("saved", "２026-01-02T03:04:05Z", "RFC 3339"),
        ("body", "3f9c", "body '3f9c' is not 64 hex digits"),
        ("body", "", "64 hex"),
        ("body", "A" * 64, "64 hex"),
        ("body", "a" * 64 + "\n", "64 hex"),
        ("parent", "x", "parent 'x' is not 64 hex"),
        ("sha256", "x", "sha256 'x' is not 64 hex"),
        ("body_name", "", "body_name has 0 characters"),
        ("body_name", "x" * 257, "body_name has 257 characters"),
        ("body_name", "\x1b[2J", "cannot be shown"),
        ("family", "a\u202eb", "family .*cannot be shown"),
        ("level", "-1", "level '-1' is no whole number"),
        ("level", "01", "whole number"),
        ("level", "1.0", "whole number"),
        ("level", "", "whole number"),
        ("level", " 1", "whole number"),
        ("level", "１", "whole number"),
        ("level", str(2**63), "whole number from 0 to 9223372036854775807"),
        ("level", "9" * 5000, "whole number"),
        ("dims", "[]", "dims is not a JSON object"),
        ("dims", '{"n_layers":2,"d_model":4}', "exactly n_layers, d_model, d_ff"),
        ("dims", '{"n_layers":2,"d_model":4,"d_ff":6,"x":1}', "exactly"),
        ("dims", '{"n_layers":0,"d_model":4,"d_ff":6}', "n_layers '0', allowed are 1 to 1024"),
        ("dims", '{"n_layers":1025,"d_model":4,"d_ff":6}', "1 to 1024"),
        ("dims", '{"n_layers":2,"d_model":1048577,"d_ff":6}', "1 to 1048576"),
        ("dims", '{"n_layers":2,"d_model":4,"d_ff":true}', "d_ff 'True'"),
        ("dims", '{"n_layers":2,"d_model":4,"d_ff":6.0}', "d_ff '6.0'"),
        ("dims", '{"d_ff":6,"n_layers":2,"d_model":4,"d_ff":6}', "occurs twice"),
        ("config", "", "config is not JSON"),
        ("config", "[1]", "config is not a JSON object"),
        ("config", '{"a":1,"a":1}', "config .*occurs twice"),
        ("config", '{"lr":Infinity}', "Infinity is no number"),
        ("config", '{"lr":1e999}', "not finite"),
        ("config", '{"a":' * 9 + "1" + "}" * 9, "nested too deep"),
        ("config", '{"a":[' * 50_000, "has 300000 characters"),
        ("scores", '{"' + "k" * 129 + '":1}', "key of 129 characters"),
        ("scores", '{"a":"\\ud800"}', "surrogate"),
        ("scores", '{"a":[' + "1," * 5000 + "1]}", "too many values"),
        ("scores", '{"a":"' + "x" * 70_000 + '"}', "the limit is 65536"),
        ("taught", "[]", "taught is not an object"),
        ("taught", '{"weeks":{}}', "taught is not an object"),
        ("taught", '{"days":[]}', "days that are not by day"),
        ("taught", '{"days":{"2026010":""}}', "days that are not by day"),
        ("taught", '{"lines":{"20260102":[[1,2]]}}', "lines that are not by day"),
        ("taught", '{"days":{"20260102":7}}', "not base64"),
        ("taught", '{"days":{"20260102":"????"}}', "not base64"),
        ("taught", '{"days":{"20260102":"é"}}', "not base64"),
        ("taught", '{"days":{"20260102":"AAAA"}}', "half a record"),
        ("taught", json.dumps({"days": {"20260102": day(86_400 << 33)}}), "beyond midnight"),
        ("taught", '{"days":{"20260102":"AAAAAAAAAAAAAAAAAAA="}}', "twice"),
        ("taught", MANY_IDS, "more than 400000 records"),
        ("taught", '{"lines":{"2026-01-01":[[1,400000]]},"other":["a"]}', "has 400001 records"),
        ("taught", '{"lines":{"2026-01-01":[[2,1]]}}', "ascending ranges"),
        ("taught", '{"lines":{"2026-01-01":[[0,1]]}}', "ascending ranges"),
        ("taught", '{"lines":{"2026-01-01":[[1,2],[3,4]]}}', "ascending ranges"),
        ("taught", '{"lines":{"2026-01-01":[[1,2],[2,4]]}}', "ascending ranges"),
        ("taught", '{"lines":{"2026-01-01":[[1]]}}', "ascending ranges"),
        ("taught", '{"lines":{"2026-01-01":[[true,true]]}}', "ascending ranges"),
        ("taught", '{"lines":{"2026-01-01":[[1,1e9]]}}', "ascending ranges"),
        ("taught", '{"lines":{"2026-01-01":7}}', "ascending ranges"),
        ("taught", '{"other":"ab"}', "not a list of texts"),
        ("taught", '{"other":[1]}', "not a list of texts"),
        ("taught", '{"other":["b","a"]}', "out of order"),
        ("taught", '{"other":["a","a"]}', "out of order, or twice"),
        ("taught", '{"other":["2026-01-02/17"]}', "of a day among the others"),
        ("taught", '{"other":["' + "x" * 3_200_000 + '"]}', "the limit is 3145728"),
    ],
)  # fmt: skip
def test_metadata(path: Path, sound: bytes, key: str, value: str | None, match: str) -> None:
    def edit(header: Json) -> Any:
        metadata = header["__metadata__"]
        return metadata.pop(key) if value is None else metadata.update({key: value})

    refuse(path, edited(sound, edit), match)


def test_every_fault_is_reported_up_to_a_limit(path: Path, sound: bytes) -> None:
    def edit(header: Json) -> None:
        header["__metadata__"].update(level="x", name="", saved="")

    path.write_bytes(edited(sound, edit))
    assert [fault.split()[1] for fault in verify(path).faults] == ["level", "name", "saved"]
    with pytest.raises(SoulInvalid, match=r"level .*and 2 more"):
        read(path)

    def flood(header: Json) -> None:
        header["__metadata__"].update({f"x{n}": "" for n in range(100)})

    path.write_bytes(edited(sound, flood))
    assert len(verify(path).faults) == 20
