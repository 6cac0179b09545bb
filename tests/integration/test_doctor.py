"""``soul doctor`` as a person runs it: with a daemon, without one, and on what is broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from soul_cli.service import installing
from soul_cli.service.spec import service_of
from soul_cli.service.systemd import Systemd
from tests.fakes.daemon_process import DaemonProcess
from tests.fakes.service_tools import FakeTools
from tests.fakes.soul_process import Soul
from tests.fakes.tiny_home import write_tiny_home


def tree_of(folder: Path) -> dict[str, tuple[int, int]]:
    stats = {str(path): path.lstat() for path in sorted(folder.rglob("*"))}
    return {path: (s.st_mtime_ns, s.st_size) for path, s in stats.items()}


@pytest.fixture
def soul(tmp_path: Path) -> Soul:
    made = Soul(write_tiny_home(tmp_path))
    made.env["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")  # no service of this machine's user
    return made


def test_a_good_installation_without_a_daemon_is_left_as_it_was(soul: Soul, tmp_path: Path) -> None:
    before = tree_of(tmp_path)
    done = soul("doctor")
    assert done.returncode == 0, done.stdout
    assert tree_of(tmp_path) == before
    checks = {
        line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line[0] != " "
    }
    assert checks.keys() >= {
        *("python", "packages", "torch", "config", "folders", "disk", "lock", "device", "kernel"),
        *("body", "memory", "soul", "daemon", "service"),
    }
    assert "problem" not in checks.values()


def test_with_a_daemon_and_what_is_wrong_in_both_languages(
    soul: Soul, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    daemon = DaemonProcess(soul.config)
    request.addfinalizer(daemon.close)
    daemon.await_ready()
    body = tmp_path / "models" / "tiny" / "model.safetensors"
    body.write_bytes(body.read_bytes()[:-1])
    found = soul.json("doctor", "--lang", "ja")
    by_code = {one["code"]: one for one in found["findings"]}
    assert found["ok"] is False
    assert by_code["daemon.answers"]["level"] == by_code["lock.daemon"]["level"] == "ok"
    assert by_code["body.invalid"]["level"] == "problem"
    assert by_code["body.invalid"]["advice"].startswith("取得し直してください: soul body pull tiny")


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_a_config_that_is_wrong_and_a_service_of_a_python_that_is_gone(
    soul: Soul, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", soul.env["XDG_CONFIG_HOME"])
    manager = Systemd(FakeTools())
    installing.write(manager, service_of(soul.config))
    unit = manager.definition.read_text()
    manager.definition.write_text(unit.replace(sys.executable, "/gone/python"))
    soul.config.write_text(soul.config.read_text() + "boddy: {}\n")
    done = soul("doctor")
    assert done.returncode == 1
    assert "unknown key boddy" in done.stdout and "/gone/python" in done.stdout
    assert "→ Install it anew: soul service install" in done.stdout
