"""Writers that are killed, find no room, or meet each other: a soul file is never half."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from sould.errors import StorageError
from sould.soulfile.record import read, write
from tests.fakes.souls import make_soul

ROOT = Path(__file__).parents[2]
IN_A_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def run(*command: object) -> list[dict[str, Any]]:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_killed_between_any_two_steps_the_old_or_the_new_is_whole(tmp_path: Path) -> None:
    lines = run(sys.executable, "-m", "tests.fakes.kill_write", tmp_path / "mika.soul")
    killed = [line["killed"] for line in lines]
    assert len(killed) > 50
    assert killed.count(False) == 1
    held = [line["after_kill"] for line in lines]
    assert held == sorted(held)  # old until the rename, new from then on
    assert {0, 1} == set(held)
    assert any(line["left"] for line in lines)  # drafts were cut off …
    for line in lines:
        assert line["after_next"] == 1
        assert line["left_next"] == 0  # … and are removed


def has_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*IN_A_NAMESPACE, "true"], capture_output=True).returncode == 0


def test_a_full_disk_keeps_the_old_soul_and_is_named(tmp_path: Path) -> None:
    if not has_namespaces():
        pytest.skip("a file system of our own needs user namespaces")
    module = [sys.executable, "-m", "tests.fakes.write_in_little_room"]
    (report,) = run(*IN_A_NAMESPACE, *module, tmp_path, "mount")
    check_refusal(report, tmp_path, "No space left on device")


def test_a_write_the_system_refuses_keeps_the_old_soul(tmp_path: Path) -> None:
    module = [sys.executable, "-m", "tests.fakes.write_in_little_room"]
    (report,) = run(*module, tmp_path, "limit")
    check_refusal(report, tmp_path, "File too large")


def check_refusal(report: dict[str, Any], folder: Path, reason: str) -> None:
    path = folder / "mika.soul"
    assert report["said"] == f"soul 'mika' is not saved: {path} cannot be written: {reason}"
    assert "what was saved before is still there" in report["hint"]
    assert report["kept"] and report["saved_later"]
    assert report["left"] == ["mika.soul"]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file or directory"):
        write(tmp_path / "gone" / "mika.soul", make_soul())


def test_drafts_of_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mika.soul"
    alive = tmp_path / f".mika.soul.{os.getppid()}-0a1b2c3d.new"
    another = tmp_path / ".yuki.soul.999999999-0a1b2c3d.new"
    dead = tmp_path / ".mika.soul.999999999-0a1b2c3d.new"
    for draft in (alive, another, dead):
        draft.write_bytes(b"")
    write(path, make_soul())
    assert sorted(tmp_path.iterdir()) == sorted([alive, another, path])


def test_writers_and_readers_of_one_file_never_meet_half_of_it(tmp_path: Path) -> None:
    path = tmp_path / "mika.soul"
    write(path, make_soul(seed=0))
    souls = [make_soul(seed=seed) for seed in range(3)]
    seals = {write(tmp_path / "x.soul", soul).sha256 for soul in souls}
    writers = [
        threading.Thread(target=lambda s=soul: [write(path, s) for _ in range(20)])
        for soul in souls
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert read(path).meta.sha256 in seals
    assert list(tmp_path.glob(".*")) == []
