"""Where config, runtime dir and daemon are found."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from soul_client import locate
from soul_client.errors import ConfigInvalid, ConfigNotFound, NotRunning, UnsafeFile, WireError
from tests.fakes.fake_daemon import FakeDaemon


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("BIT_TTT_CONFIG", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg-config"))


def write_config(folder: Path, text: str = "bit_ttt: 1\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "config.yaml"
    path.write_text(text, "utf-8")
    return path


def test_named_config_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    explicit = write_config(tmp_path / "a")
    monkeypatch.setenv("BIT_TTT_CONFIG", str(write_config(tmp_path / "b")))
    assert locate.find_config(explicit) == explicit
    assert locate.find_config() == tmp_path / "b" / "config.yaml"


def test_named_config_that_is_missing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIT_TTT_CONFIG", str(tmp_path / "gone.yaml"))
    with pytest.raises(ConfigNotFound, match=r"BIT_TTT_CONFIG names .*gone\.yaml"):
        locate.find_config()


def test_nearest_config_of_ours_is_found_upwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = write_config(tmp_path)
    write_config(tmp_path / "site", "title: somebody else's config\nnested:\n  bit_ttt: 1\n")
    below = tmp_path / "site" / "deep"
    below.mkdir()
    monkeypatch.chdir(below)
    assert locate.find_config() == ours


def test_user_config_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    with pytest.raises(ConfigNotFound, match="--config"):
        locate.find_config()
    ours = write_config(tmp_path / "xdg-config" / "bit-ttt")
    assert locate.find_config() == ours


def test_runtime_dir_of_the_config_counts_from_its_folder(tmp_path: Path) -> None:
    config = write_config(tmp_path, "runtime_dir: some/../where\n")
    assert locate.runtime_dir(config) == tmp_path / "where"


def test_runtime_dir_is_named_after_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    config = write_config(tmp_path, "workspace: link\n")
    digest = hashlib.sha256(os.fsencode(tmp_path / "real")).hexdigest()[:12]
    assert locate.runtime_dir(config) == Path("/run/user/7/bit-ttt", digest)


def test_runtime_dir_in_the_workspace_while_sockets_fit(tmp_path: Path) -> None:
    config = write_config(tmp_path, "workspace: w\n")
    short = locate.runtime_dir(config, {"workspace": "/w"})
    long = locate.runtime_dir(config, {"workspace": "/" + "w" * 90})
    assert short == Path("/w/run")
    assert len(os.fsencode(long / "engine-99999.sock")) <= 103


def test_broken_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"config\.yaml is not valid YAML"):
        locate.runtime_dir(write_config(tmp_path, "workspace: [\n"))
    with pytest.raises(ConfigInvalid, match="workspace is 7"):
        locate.runtime_dir(write_config(tmp_path, "workspace: 7\n"))
    with pytest.raises(ConfigInvalid, match="holds a list"):
        locate.runtime_dir(write_config(tmp_path, "- a\n"))


def test_empty_config_is_all_defaults(tmp_path: Path) -> None:
    assert locate.workspace_dir(write_config(tmp_path, "")) == tmp_path / "workspace"


@pytest.fixture
def daemon(tmp_path: Path) -> FakeDaemon:
    """A daemon that never starts: only its files matter here."""
    return FakeDaemon(tmp_path)


def test_connection_is_read(daemon: FakeDaemon) -> None:
    daemon.write_connection(daemon.run_dir / "connection.json")
    assert locate.read_connection(daemon.config) == daemon.connection()


def test_connection_is_found_without_the_runtime_dir(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    daemon.config.write_text("bit_ttt: 1\n", "utf-8")
    run_dir = tmp_path / "workspace" / "run"
    run_dir.mkdir(parents=True)
    daemon.write_connection(run_dir / "connection.json")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "elsewhere"))
    assert locate.read_connection(daemon.config).daemon_id == "fake"


def test_no_connection_file_means_not_running(daemon: FakeDaemon) -> None:
    with pytest.raises(NotRunning, match=r"connection\.json does not exist"):
        locate.read_connection(daemon.config)


def test_dead_process_means_not_running(daemon: FakeDaemon) -> None:
    child = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                           capture_output=True, check=True)  # fmt: skip
    path = daemon.run_dir / "connection.json"
    path.touch(0o600)
    dead = msgspec.structs.replace(daemon.connection(), pid=int(child.stdout))
    path.write_bytes(msgspec.json.encode(dead))
    with pytest.raises(NotRunning, match="is gone"):
        locate.read_connection(daemon.config)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems reap orphans at once")
def test_a_process_that_nobody_reaped_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert locate.is_alive(child.pid)
    assert child.stdin is not None
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still a zombie
    assert not locate.is_alive(child.pid)
    child.wait()


def test_half_written_connection_means_not_running(daemon: FakeDaemon) -> None:
    path = daemon.run_dir / "connection.json"
    path.touch(0o600)
    path.write_text('{"rpc": "ipc:', "utf-8")
    with pytest.raises(NotRunning, match="not a connection file"):
        locate.read_connection(daemon.config)


def test_connection_open_to_others_is_refused(daemon: FakeDaemon) -> None:
    path = daemon.run_dir / "connection.json"
    daemon.write_connection(path)
    path.chmod(0o644)
    with pytest.raises(UnsafeFile, match="mode 0644"):
        locate.read_connection(daemon.config)


def test_other_protocol_is_refused(daemon: FakeDaemon) -> None:
    path = daemon.run_dir / "connection.json"
    path.touch(0o600)
    newer = msgspec.structs.replace(daemon.connection(), protocol_min=2, protocol_max=3)
    path.write_bytes(msgspec.json.encode(newer))
    with pytest.raises(WireError, match="speaks protocol 2 to 3"):
        locate.read_connection(daemon.config)
