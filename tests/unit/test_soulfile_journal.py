"""The journal: what was appended is read, and what is torn, damaged or hostile is cut off."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sould.errors import SoulInvalid, StorageError
from sould.soulfile import limits
from sould.soulfile.container import length_of, write_header
from sould.soulfile.journal import MAGIC, Journal, JournalEntry, JournalRead
from sould.soulfile.layout import table
from tests.fakes.souls import Json, make_entry

SEAL, OTHER = "5e" * 32, "07" * 32
LINE_BYTES = len(MAGIC) + 66
EMPTY = JournalRead(after=SEAL, entry=None, entries=0, cut_bytes=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(path: Path) -> Journal:
    journal = Journal(path)
    journal.begin(SEAL)
    return journal


def read(path: Path) -> JournalRead:
    found = Journal(path).read()
    assert found is not None
    return found


def framed(payload: bytes, length: int | None = None) -> bytes:
    head = struct.pack("<QI", len(payload) if length is None else length, zlib.crc32(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def test_what_was_appended_is_read(journal: Journal, path: Path) -> None:
    assert read(path) == EMPTY
    for number in range(1, 4):
        entry = make_entry(seed=number, level=number, taught=f"record {number}")
        assert journal.append(entry) == path.stat().st_size
        found = read(path)
        assert found == JournalRead(after=SEAL, entry=entry, entries=number, cut_bytes=0)
        assert found.entry and list(found.entry.shapes) == list(entry.shapes)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


@settings(max_examples=40, deadline=None)
@given(
    taught=st.frozensets(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
    level=st.integers(0, limits.MAX_LEVEL),
    rank=st.integers(1, 3),
    seed=st.integers(0, 9),
)
def test_any_entry_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    taught: frozenset[str],
    level: int,
    rank: int,
    seed: int,
) -> None:
    fast = make_entry(seed=seed, rank=rank)
    entry = JournalEntry(taught=taught, level=level, shapes=fast.shapes, data=fast.data)
    journal = Journal(tmp_path_factory.mktemp("any") / "journal")
    journal.begin(SEAL)
    journal.append(entry)
    assert journal.read() == JournalRead(after=SEAL, entry=entry, entries=1, cut_bytes=0)


def test_an_empty_fast_part(journal: Journal) -> None:
    entry = JournalEntry(taught=frozenset({"hm"}), level=7, shapes={}, data=[])
    journal.append(entry)
    found = journal.read()
    assert found and found.entry == entry


def test_what_was_read_can_be_written_into(journal: Journal) -> None:
    journal.append(make_entry())
    found = journal.read()
    assert found and found.entry
    for data in found.entry.data:
        assert isinstance(data, memoryview) and not data.readonly


def test_beginning_anew_empties_it(journal: Journal, path: Path) -> None:
    journal.append(make_entry())
    journal.begin(OTHER)
    assert read(path) == JournalRead(after=OTHER, entry=None, entries=0, cut_bytes=0)


def test_a_long_journal_is_replaced_by_its_last_entry(path: Path) -> None:
    one = len(framed_of(path, make_entry(level=10)))
    journal = Journal(path, max_bytes=LINE_BYTES + 2 * one)
    journal.begin(SEAL)
    sizes = [journal.append(make_entry(level=level)) for level in (11, 12, 13, 14)]
    assert sizes == [LINE_BYTES + count * one for count in (1, 2, 1, 2)]
    found = read(path)
    assert (found.after, found.entries) == (SEAL, 2)
    assert found.entry == make_entry(level=14)


def test_an_entry_larger_than_a_journal_may_be_is_kept_alone(path: Path) -> None:
    journal = Journal(path, max_bytes=10)
    journal.begin(SEAL)
    for level in (1, 2, 3):
        journal.append(make_entry(level=level))
        assert read(path).entries == 1
    assert read(path).entry == make_entry(level=3)


def framed_of(path: Path, entry: JournalEntry) -> bytes:
    journal = Journal(path)
    journal.begin(SEAL)
    journal.append(entry)
    return path.read_bytes()[LINE_BYTES:]


# Torn and damaged


def test_torn_at_any_byte_the_entry_before_counts(journal: Journal, path: Path) -> None:
    first = journal.append(make_entry(level=1))
    last = journal.append(make_entry(seed=4, level=2))
    whole = path.read_bytes()
    for size in range(first, last):
        path.write_bytes(whole[:size])
        assert read(path) == JournalRead(
            after=SEAL, entry=make_entry(level=1), entries=1, cut_bytes=size - first
        )
        assert path.stat().st_size == first  # the tail is gone
    journal.append(make_entry(seed=4, level=2))
    assert path.read_bytes() == whole


def test_torn_in_its_only_entry_nothing_counts(journal: Journal, path: Path) -> None:
    journal.append(make_entry())
    whole = path.read_bytes()
    for size in range(LINE_BYTES, len(whole)):
        path.write_bytes(whole[:size])
        found = read(path)
        assert (found.entry, found.cut_bytes) == (None, size - LINE_BYTES)


def test_any_flipped_bit_is_noticed(journal: Journal, path: Path) -> None:
    first = journal.append(make_entry(level=1))
    journal.append(make_entry(seed=4, level=2))
    whole = path.read_bytes()
    for at in range(first, len(whole)):
        spoilt = bytearray(whole)
        spoilt[at] ^= 1 << at % 8
        path.write_bytes(spoilt)
        found = read(path)
        assert (found.entries, found.cut_bytes) == (1, len(whole) - first)
        assert found.entry == make_entry(level=1)


def test_a_flipped_bit_in_an_older_entry_costs_nothing(journal: Journal, path: Path) -> None:
    first = journal.append(make_entry(level=1))
    journal.append(make_entry(level=2))
    spoilt = bytearray(path.read_bytes())
    spoilt[first - 1] ^= 1
    path.write_bytes(spoilt)
    assert read(path).entry == make_entry(level=2)


def test_a_flipped_bit_in_the_line_makes_it_none_or_that_of_another(
    journal: Journal, path: Path
) -> None:
    journal.append(make_entry())
    whole = path.read_bytes()
    for bit in range(8 * LINE_BYTES):
        spoilt = bytearray(whole)
        spoilt[bit // 8] ^= 1 << bit % 8
        path.write_bytes(spoilt)
        found = Journal(path).read()
        assert found is None or found.after != SEAL


@pytest.mark.parametrize("tail", [b"\0" * 16, b"\0" * 5000, b"\xff" * 40, b"x"])
def test_what_lies_behind_is_cut_and_written_over(
    journal: Journal, path: Path, tail: bytes
) -> None:
    """A file system may have given a file its new size and not its new bytes."""
    end = journal.append(make_entry(level=1))
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert read(path).cut_bytes == len(tail)
    assert path.read_bytes() == whole
    path.write_bytes(whole + tail)
    assert journal.append(make_entry(level=2)) == 2 * end - LINE_BYTES
    assert read(path).entry == make_entry(level=2)


# Hostile


@pytest.mark.parametrize("length", [1, 2**31, 2**32, 2**63, 2**64 - 1])
def test_lengths_that_lie_are_not_believed(journal: Journal, path: Path, length: int) -> None:
    journal.append(make_entry(level=1))
    with path.open("ab") as file:
        file.write(framed(b"", length))
    found = read(path)
    assert (found.entry, found.cut_bytes) == (make_entry(level=1), 16)


def test_an_entry_over_the_limit_is_not_read(journal: Journal, path: Path) -> None:
    first = journal.append(make_entry(level=1))
    journal.append(make_entry(level=2, rank=2))
    most = first - LINE_BYTES - 16
    found = journal.read(max_bytes=most)
    assert found and found.entry == make_entry(level=1)
    found = journal.read(max_bytes=most - 1)
    assert found and found.entry is None


def payload(change: Callable[[Json], object] = lambda _: None, data: bytes | None = None) -> bytes:
    """Return the payload of a small entry, its parts changed in place."""
    entry = make_entry()
    parts: Json = {
        "metadata": {"level": "5", "taught": "{}"},
        "tensors": table(entry.shapes),
        "data": b"".join(entry.data),
    }
    change(parts)
    text = write_header(parts["metadata"], parts["tensors"])
    return length_of(text) + text + parts["data"]


def rename(parts: Json, name: str) -> None:
    tensors = list(parts["tensors"].items())
    parts["tensors"] = dict([(name, tensors[0][1]), *tensors[1:]])


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "half a length": b"\1\0\0",
    "a header beyond the end": length_of(b"x" * 99) + b"{}",
    "a huge header": (2**62).to_bytes(8, "little") + b"{}",
    "no JSON": length_of(b"{") + b"{",
    "no header": length_of(b"") + b"",
    "not UTF-8": length_of(b'{"\xff":1}') + b'{"\xff":1}',
    "no metadata": payload(lambda p: p.update(metadata={})),
    "a key too many": payload(lambda p: p["metadata"].update(name="mika")),
    "a key too few": payload(lambda p: p["metadata"].pop("taught")),
    "a level below nothing": payload(lambda p: p["metadata"].update(level="-1")),
    "a level beyond bounds": payload(lambda p: p["metadata"].update(level=str(2**63))),
    "a level that is none": payload(lambda p: p["metadata"].update(level="x")),
    "taught by no JSON": payload(lambda p: p["metadata"].update(taught="[")),
    "taught by a billion": payload(
        lambda p: p["metadata"].update(taught='{"lines":{"2026-01-01":[[1,999999999]]}}')
    ),
    "a slow tensor": payload(lambda p: rename(p, "layers.0.gate.slow.A")),
    "a tensor of any name": payload(lambda p: rename(p, "../x")),
    "data too short": payload(lambda p: p.update(data=p["data"][:-1])),
    "data too long": payload(lambda p: p.update(data=p["data"] + b"\0")),
    "another dtype": payload().replace(b'"F32"', b'"I32"', 1),
    "three axes": payload().replace(b"[1,4]", b"[1,4,1]", 1),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_payload_that_is_no_entry_does_not_count(journal: Journal, path: Path, what: str) -> None:
    journal.append(make_entry(level=1))
    before = path.read_bytes()
    path.write_bytes(before + framed(HOSTILE[what]))
    found = read(path)
    assert (found.entry, found.entries) == (make_entry(level=1), 1)
    assert path.read_bytes() == before


def test_the_tools_of_these_tests_make_sound_payloads(journal: Journal, path: Path) -> None:
    with path.open("ab") as file:
        file.write(framed(payload()))
    entry = read(path).entry
    assert entry and entry.level == 5


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"x",
        f"{MAGIC} {SEAL}".encode(),
        f"{MAGIC} {SEAL[:-1]}\n".encode(),
        f"{MAGIC} {SEAL.upper().replace('5', 'A')}\n".encode(),
        f"{MAGIC[:-1]}2 {SEAL}\n".encode(),
        bytes(range(200)),
    ],
)
def test_what_is_no_journal_is_left_as_it_is(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    assert Journal(path).read() is None
    with pytest.raises(StorageError, match="is no journal"):
        Journal(path).append(make_entry())
    assert path.read_bytes() == raw


def test_none_there(path: Path) -> None:
    assert Journal(path).read() is None
    with pytest.raises(StorageError, match="No such file"):
        Journal(path).append(make_entry())
    path.mkdir()
    assert Journal(path).read() is None
    with pytest.raises(StorageError, match="cannot be written"):
        Journal(path).begin(SEAL)
    path.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        assert Journal(path).read() is None  # and is not waited for


def test_nothing_is_appended_to_the_journal_of_another_generation(
    journal: Journal, path: Path
) -> None:
    """Somebody else saved meanwhile: what was learned must not seem kept."""
    Journal(path).begin(OTHER)
    with pytest.raises(StorageError, match=r"follows generation 0707.*, not 5e5e"):
        journal.append(make_entry())
    assert read(path).entry is None
    reader = Journal(path)
    reader.read()
    Journal(path).begin(SEAL)
    with pytest.raises(StorageError, match=r"follows generation 5e5e"):
        reader.append(make_entry())


def test_a_header_over_the_limit_is_not_written(journal: Journal, path: Path) -> None:
    many = frozenset('"' * n for n in range(1, 1_700))  # each four bytes in the header
    with pytest.raises(SoulInvalid, match="limits are"):
        journal.append(JournalEntry(taught=many, level=1, shapes={}, data=[]))
    assert read(path) == EMPTY
