"""Small decisions of the supervisor."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from soul_client.wire import Finish, Sampling, SamplingOverrides
from sould.errors import AlreadyRunning, StorageError
from sould.supervisor.engine import backoff_s
from sould.supervisor.engine_process import describe_exit, split_level
from sould.supervisor.files import make_private_dir, require_safe_parent, write_private
from sould.supervisor.locks import InstanceLock
from sould.supervisor.request import StopReason
from sould.supervisor.status import daemon_state, resident_bytes
from sould.supervisor.turns import finish_of, override


def test_override_changes_only_what_is_wanted() -> None:
    base = Sampling(temperature=0.3, seed=7, stop=["END"])
    assert override(base, SamplingOverrides()) == base
    changed = override(base, SamplingOverrides(temperature=0.0, stop=[]))
    assert (changed.temperature, changed.stop, changed.seed) == (0.0, [], 7)


def test_every_sampling_field_can_be_overridden() -> None:
    assert Sampling.__struct_fields__ == SamplingOverrides.__struct_fields__


@pytest.mark.parametrize(
    ("said", "reason", "finish"),
    [
        ("stop", None, "stop"),
        ("stop", StopReason.CANCELLED, "stop"),  # it was done before the cancel came
        ("cancelled", StopReason.CANCELLED, "cancelled"),
        ("cancelled", StopReason.DEADLINE, "deadline"),
        ("cancelled", StopReason.SHUTDOWN, "cancelled"),
        ("deadline", None, "deadline"),
    ],
)
def test_finish_says_who_stopped_it(
    said: Finish, reason: StopReason | None, finish: Finish
) -> None:
    assert finish_of(said, reason) == finish


def test_backoff_grows_and_is_bounded() -> None:
    waits = [backoff_s(n) for n in range(20)]
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert waits[-1] == 30


def test_exit_is_described() -> None:
    assert describe_exit(3, "") == "exit code 3"
    assert describe_exit(-9, "oops") == "killed by signal 9 (SIGKILL); its last words: oops"
    assert describe_exit(-200, "") == "killed by signal 200"
    assert len(describe_exit(1, "x" * 5000)) < 400


def test_level_of_an_engine_line() -> None:
    assert split_level("WARNING sould.engine: hot") == (logging.WARNING, "sould.engine: hot")
    assert split_level("ERROR x") == (logging.ERROR, "x")
    for line in ("  File x.py", "", "Traceback (most recent call last):", "Level 3"):
        assert split_level(line) == (logging.DEBUG, line)


def test_daemon_state_sums_up() -> None:
    def state(stopping: bool, engine: str, *methods: str, imprinting: bool = False) -> str:
        return daemon_state(
            is_stopping=stopping, engine_state=engine, is_imprinting=imprinting, methods=methods
        )

    assert state(True, "loading", "chat.send") == "stopping"
    assert state(False, "loading", "chat.send") == "loading"
    assert state(False, "ready", "body.pull", "chat.send", imprinting=True) == "answering"
    assert state(False, "ready", "body.pull", imprinting=True) == "imprinting"
    assert state(False, "ready", "text.score") == "answering"
    assert state(False, "ready", "body.pull") == "pulling"
    assert state(False, "absent", "session.list") == "idle"


def test_memory_of_a_process() -> None:
    told = resident_bytes(os.getpid())
    assert told == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)
    assert resident_bytes(2**22 + 1) == 0


def test_what_the_first_client_does_not_need_is_not_imported_before_it() -> None:
    late = ("psutil", "watchdog", "sould.privacy.english", "sould.privacy.japanese")
    code = f"import sould.supervisor.run, sys; print(*sys.modules.keys() & set({late!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_lock_is_exclusive_and_names_its_owner(tmp_path: Path) -> None:
    first, second = InstanceLock(tmp_path), InstanceLock(tmp_path)
    first.acquire()
    with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
    with pytest.raises(StorageError):
        InstanceLock(tmp_path / "missing").acquire()


def test_private_file_is_whole_or_old(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o600
    write_private(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    with pytest.raises(StorageError):
        write_private(tmp_path / "missing" / "file", b"x")


def test_private_folder_under_an_open_one_is_refused(tmp_path: Path) -> None:
    make_private_dir(tmp_path / "a" / "b")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    (tmp_path / "a").chmod(0o777)
    with pytest.raises(StorageError, match="open to everybody"):
        require_safe_parent(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a folder"):
        make_private_dir(tmp_path / "file")
