"""Soul files of native bodies: version 2, with states in place of low-rank matrices."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sould.errors import SoulInvalid
from sould.soulfile.header import read_header
from sould.soulfile.home import SoulFolder
from sould.soulfile.journal import Journal, JournalEntry
from sould.soulfile.layout import state_shapes
from sould.soulfile.meta import BodyShape, Dims, decode, encode
from sould.soulfile.opening import open_soul, save_generation
from sould.soulfile.record import SoulRecord, read, verify, write
from tests.fakes.soul_folder import NOW
from tests.fakes.souls import make_meta, make_tensors, undo

DIMS = Dims(n_layers=2, d_model=8, d_ff=12, state_rows=8, state_cols=4)
BODY = BodyShape(fingerprint="3f9c" * 16, name="native", dims=DIMS)


def make_states(seed: int = 0, **changes: object) -> SoulRecord:
    random = np.random.default_rng(seed)
    tensors = {
        name: random.standard_normal(shape, dtype=np.float32)
        for name, shape in state_shapes(DIMS).items()
    }
    meta = make_meta(dims=DIMS, family="bit_ttt", **changes)
    return SoulRecord(meta, tensors)


def test_it_is_read_as_it_was_written_and_says_its_version(tmp_path: Path) -> None:
    soul = make_states()
    meta = write(tmp_path / "x.soul", soul)
    found = read(tmp_path / "x.soul", expect=BODY)
    assert found.meta == meta == read_header(tmp_path / "x.soul")
    assert all(np.array_equal(found.tensors[name], array) for name, array in soul.tensors.items())
    assert encode(meta)["version"] == "2"
    assert encode(make_meta())["version"] == "5"
    assert verify(tmp_path / "x.soul", expect=BODY).faults == ()


def test_a_version_is_of_one_kind_of_body() -> None:
    for dims, version in ((DIMS, "5"), (make_meta().dims, "2")):
        metadata = encode(make_meta(dims=dims)) | {"version": version}
        meta, faults = decode(metadata)
        assert meta is None
        assert faults == [f"metadata: dims are not those of version {version}"]


@pytest.mark.parametrize(
    ("tensors", "fault"),
    [
        ({"w_state.0": np.ones((8, 4), np.float32)}, "w_state.1: missing"),
        ({"w_state.0": np.ones((4, 8), np.float32)}, "shape (4, 8), expected (8, 4)"),
        ({"w_state.2": np.ones((8, 4), np.float32)}, "w_state.2: unexpected"),
        ({"w_state.0": np.full((8, 4), np.nan, np.float32)}, "not finite"),
        ({"w_state.1": np.full((8, 4), 1e6, np.float32)}, "the limit is 10000"),
        (make_tensors(), "unexpected"),
    ],
)
def test_what_is_no_sound_soul_is_not_written(
    tmp_path: Path, tensors: dict[str, np.ndarray], fault: str
) -> None:
    whole = {} if fault == "w_state.1: missing" else dict(make_states().tensors)
    with pytest.raises(SoulInvalid) as caught:
        write(tmp_path / "x.soul", SoulRecord(make_states().meta, whole | tensors))
    assert fault in caught.value.message
    assert not (tmp_path / "x.soul").exists()


def test_the_journal_holds_states_and_undo_takes_them_back(tmp_path: Path) -> None:
    home = SoulFolder(tmp_path).new("mika")
    first, later = make_states(1), make_states(2)
    _, meta = save_generation(home.folder, SoulRecord(first.meta, first.tensors))
    journal = Journal(home.journal)
    journal.read()
    journal.append(
        JournalEntry(
            taught=frozenset({"later"}),
            level=meta.level + 7,
            shapes=state_shapes(DIMS),
            data=[later.tensors[name].tobytes() for name in state_shapes(DIMS)],
        )
    )
    opened = open_soul(home.folder, BODY)
    assert opened is not None and opened.is_journaled and "later" in opened.record.meta.taught
    assert np.array_equal(opened.record.tensors["w_state.0"], later.tensors["w_state.0"])
    save_generation(home.folder, dataclasses.replace(opened.record))
    undo(home, to=1, now=NOW)
    newest, _ = home.newest()
    assert newest is not None
    assert np.array_equal(read(newest.path).tensors["w_state.0"], first.tensors["w_state.0"])
