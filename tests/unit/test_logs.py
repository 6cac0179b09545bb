"""The daemon's log: rotated, private, and what is said in it stays in the workspace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sould.supervisor.logs import KEPT_FILES, MAX_BYTES

WRITE = """
import logging, os, sys
from pathlib import Path
from sould.supervisor import logs
os.umask(0o077)
if len(sys.argv) > 2:
    found = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
logs.write_to_stderr("debug")
logs.write_to_file(Path(sys.argv[1]))
"""


def run(code: str, *args: str, stderr: int = subprocess.PIPE) -> str:
    """Run a program that logs; return what is on its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE + code, *args], stderr=stderr, check=True, text=True
    )
    return done.stderr or ""


def test_the_log_is_rotated_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "sould.log"
    lines = (KEPT_FILES + 2) * MAX_BYTES // 1000
    run(f"logging.disable(logging.DEBUG)\nfor n in range({lines}): "
        "logging.info('%06d %s', n, 'x' * 940)", str(path))  # fmt: skip
    files = sorted(path.parent.iterdir())
    assert [f.name for f in files] == ["sould.log", *(f"sould.log.{n}" for n in (1, 2, 3))]
    assert all(f.stat().st_size <= MAX_BYTES for f in files)
    assert f" {lines - 1:06d} " in path.read_text().splitlines()[-1]
    if os.name == "posix":
        assert {f.stat().st_mode & 0o777 for f in files} == {0o600}


def test_a_detached_daemon_writes_to_its_log_alone(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "sould.log"
    with (tmp_path / "stderr.log").open("w") as stderr:
        run("logging.warning('once')", str(path), stderr=stderr.fileno())
    assert (tmp_path / "stderr.log").read_text() == ""
    assert path.read_text().count("once") == 1


def test_without_a_console_the_log_is_still_written(tmp_path: Path) -> None:
    path = tmp_path / "sould.log"
    tmp_path.chmod(0o700)
    code = WRITE.replace("os.umask(0o077)", "sys.stderr = None; os.umask(0o077)")
    subprocess.run([sys.executable, "-c", code + "logging.info('here')", str(path)], check=True)
    assert "here" in path.read_text()


def test_what_is_said_does_not_go_into_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "sould.log"
    code = "logging.debug('said'); logging.info('done')"
    shown = run(code, str(path), "journal")
    assert "done" in shown and "said" not in shown
    assert "said" in path.read_text()
    assert "said" in run(code, str(path))  # a terminal is the user's own
