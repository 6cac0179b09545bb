"""What is seen of bodies, on a real disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sould.bodystore.leases import is_being_written
from sould.bodystore.sighting import sight, stamp_of

GGUF = b"GGUF" + bytes(28)


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux tells")
def test_who_writes_is_known_and_who_reads_is_no_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    with path.open("wb") as file:
        file.write(GGUF)
        file.flush()
        assert is_being_written(path) and sight(tmp_path)["a"].is_open
    with path.open("rb"):
        assert not is_being_written(path) and not sight(tmp_path)["a"].is_open
    assert not is_being_written(tmp_path / "missing")


def test_the_stamp_is_another_when_anything_is_replaced_and_stays_when_it_is_renamed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(GGUF)
    os.utime(path, ns=(1, 1))
    before = stamp_of(path)
    assert stamp_of(path.rename(tmp_path / "b.gguf")) == before
    path.write_bytes(GGUF)
    os.utime(path, ns=(1, 1))
    assert stamp_of(path) != before  # same bytes and time, another file


def test_a_folder_has_all_its_files_in_its_stamp(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'
    folder = tmp_path / "hf"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    before = sight(tmp_path)["hf"]
    (folder / "tokenizer.json.part").write_text("{")
    now = sight(tmp_path)["hf"]
    assert now.stamp != before.stamp
    assert (before.is_partial, now.is_partial) == (False, True)


def test_what_may_lie_elsewhere_is_marked(tmp_path: Path) -> None:
    models, disk = tmp_path / "models", tmp_path / "disk"
    models.mkdir()
    (disk / "org").mkdir(parents=True)
    for path in (models / "here.gguf", disk / "there.gguf", disk / "org" / "too.gguf"):
        path.write_bytes(GGUF)
    (models / "there.gguf").symlink_to(disk / "there.gguf")
    (models / "org").symlink_to(disk / "org")
    linked = {name: one.is_linked for name, one in sight(models).items()}
    assert linked == {"here": False, "there": True, "org/too": True}
