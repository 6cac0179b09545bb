"""Souls of the original engine through a real daemon: taken in for its body, and written again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from soul_client.wire import Error, ErrorCode
from sould.convert_soul import adopt
from sould.engine.bodyfile import open_body
from sould.errors import SoulMismatch
from sould.soulfile.original import read_original
from sould.soulfile.record import read, write
from tests.fakes.daemon_process import running
from tests.fakes.native_body import write_native_body

NOW = "2026-01-02T03:04:05+09:00"


def write_soul(path: Path, *, side: int = 8, layers: int = 2) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    arrays = {
        f"w_state.{i}": random.standard_normal((1, side, side), dtype=np.float32)
        for i in range(layers)
    }
    arrays["meta_config"] = np.array([4 * side, layers, 1, 7], np.uint32)
    save_file(arrays, path)
    return arrays


def test_it_is_taken_in_and_written_again_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write_native_body(tmp_path / "models" / "native", "reconstruct")
    arrays = write_soul(tmp_path / "mika.soul")
    with running(tmp_path, "body: {name: native}") as (daemon, peer):
        imported = peer.ask("soul.import", {"path": str(tmp_path / "mika.soul")})
        assert imported["name"] == "mika"
        record = read(Path(imported["path"]))
        assert (record.meta.level, record.meta.body_name) == (1 << 32 | 7, "native")
        assert record.meta.body == peer.ask("body.info", {"name": "native"})["fingerprint"]
        assert np.array_equal(record.tensors["w_state.1"], arrays["w_state.1"][0])
        target = tmp_path / "again.soul"
        order = {"name": "mika", "path": str(target), "original": True}
        assert peer.ask("soul.export", order)["size_bytes"] == target.stat().st_size
        found = load_file(target)
        assert found.keys() == arrays.keys()
        assert all(np.array_equal(found[name], array) for name, array in arrays.items())
        taken = peer.finish(peer.send("soul.export", order))
        assert isinstance(taken, Error) and "is there already" in taken.message
        assert not list((daemon.workspace / "cache").glob("adopted-*"))


def test_of_another_body_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write_native_body(tmp_path / "models" / "native", "reconstruct")
    write_soul(tmp_path / "mika.soul", layers=3)
    with running(tmp_path, "body: {name: native}") as (_, peer):
        order = {"path": str(tmp_path / "mika.soul")}
        refused = peer.finish(peer.send("soul.import", order), 30)
        assert isinstance(refused, Error) and refused.code is ErrorCode.SOUL_MISMATCH
        assert "of width 32 and 3 layers" in refused.message


def test_only_bodies_of_its_rule_have_such_souls(tmp_path: Path) -> None:
    write_soul(tmp_path / "mika.soul")
    body = open_body(write_native_body(tmp_path / "body", "ttt_linear"))
    known = {"name": "mika", "body_name": "x", "fingerprint": body.fingerprint(), "now": NOW}
    with pytest.raises(SoulMismatch, match="x is a bit_ttt body"):
        adopt(read_original(tmp_path / "mika.soul"), body, **known)
    fitting = open_body(write_native_body(tmp_path / "other", "reconstruct"))
    known["fingerprint"] = fitting.fingerprint()
    record = adopt(read_original(tmp_path / "mika.soul"), fitting, **known)
    assert write(tmp_path / "ours.soul", record).dims.state_rows == 8
