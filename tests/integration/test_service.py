"""The daemon as a service: started as the unit does, watched, stopped; and the commands for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soul_cli.service import systemd_unit
from soul_cli.service.spec import service_of
from soul_client.launch import probe
from sould.soulfile.home import SoulFolder
from tests.fakes.daemon_process import FAKE_ENGINE, Peer, running, write_config
from tests.fakes.notify_socket import NotifySocket
from tests.fakes.service_tools import ToolsOnPath
from tests.fakes.soul_process import Soul
from tests.fakes.unit_file import command_of, environment_of, read_unit

WATCHDOG_S = 0.4

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[NotifySocket]:
    made = NotifySocket(str(tmp_path / "notify"))
    yield made
    made.close()


Start = Callable[[Path], subprocess.Popen[bytes]]


@pytest.fixture
def start(manager: NotifySocket) -> Iterator[Start]:
    """Starts the daemon as its unit has it, only with the fake engine; it is ended at last."""
    with contextlib.ExitStack() as at_end:

        def start(config: Path) -> subprocess.Popen[bytes]:
            unit = read_unit(systemd_unit.render(service_of(config)))
            engine = ["--engine", f"{sys.executable} {FAKE_ENGINE}", "--engine-grace-s", "1"]
            process = subprocess.Popen(
                [*command_of(unit), *engine],
                env={
                    **{k: v for k, v in os.environ.items() if k.startswith(("PYTHON", "COV"))},
                    **environment_of(unit),
                    "NOTIFY_SOCKET": manager.address,
                    "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
                },
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            at_end.enter_context(process)
            at_end.callback(process.kill)
            return process

        yield start


@pytest.fixture
def connected() -> Iterator[Callable[[Path], Peer]]:
    """Connects a client to the daemon of a config."""
    with contextlib.ExitStack() as at_end:

        def connect(config: Path) -> Peer:
            connection = probe(config)
            assert connection is not None
            peer = Peer(connection)
            at_end.callback(peer.close)
            return peer

        yield connect


def test_a_service_is_ready_watched_and_saves_when_it_is_stopped(
    tmp_path: Path, manager: NotifySocket, start: Start, connected: Callable[[Path], Peer]
) -> None:
    config = write_config(tmp_path)
    process = start(config)
    manager.await_("READY=1")
    peer = connected(config)  # ready means that clients are let in
    assert peer.connection.pid == process.pid
    peer.say("I live by the sea.")
    peer.await_status(lambda s: s.soul is not None and s.soul.unsaved and not s.soul.pending)
    manager.await_("STATUS=answering")
    manager.await_("STATUS=idle")
    manager.await_("WATCHDOG=1", count=manager.said.count("WATCHDOG=1") + 2)
    process.send_signal(signal.SIGTERM)
    manager.await_("STOPPING=1")
    assert process.wait(20) == 0
    assert manager.said.index("READY=1") < manager.said.index("STOPPING=1")
    (*_, saved) = SoulFolder(tmp_path / "workspace" / "souls").home("default").generations()[:1]
    assert saved.meta is not None
    assert saved.meta.config["why"] == "exit" and len(saved.meta.taught) == 1
    assert not list((tmp_path / "run").glob("*.sock"))


def test_an_engine_cannot_speak_for_the_service(
    tmp_path: Path, manager: NotifySocket, start: Start, connected: Callable[[Path], Peer]
) -> None:
    config = write_config(tmp_path)
    start(config)
    manager.await_("READY=1")
    status = connected(config).await_status(lambda s: s.engine.pid > 0)
    told = Path(f"/proc/{status.engine.pid}/environ").read_bytes()
    assert b"PATH=" in told and b"NOTIFY_SOCKET" not in told and b"WATCHDOG" not in told


class Home:
    """A user's home with tools on the path, and ``soul`` for one config in it."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.tools = ToolsOnPath(folder / "tools")
        self.soul = Soul(config)
        self.unit = folder / "xdg" / "systemd" / "user" / "bit-ttt.service"
        self.soul.env |= {
            "XDG_CONFIG_HOME": str(folder / "xdg"),
            "PATH": f"{self.tools.folder}{os.pathsep}{os.environ['PATH']}",
        }

    def asked(self) -> list[str]:
        """Return the verbs that systemctl was called with, in order."""
        return [call.split()[2] for call in self.tools.calls() if call.startswith("systemctl")]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path, write_config(tmp_path))
    shown = "ActiveState=active\nUnitFileState=enabled\nMainPID=41\nActiveEnterTimestamp=Mon\n"
    made.tools.add("systemctl", {"show ": shown + "Result=success\nNRestarts=0"})
    made.tools.add("journalctl", {"bit-ttt.service": "Started Bit-TTT\x1b[1m."})
    return made


def test_install_status_logs_uninstall(home: Home) -> None:
    assert home.soul("service", "status").returncode == 3
    done = home.soul("service", "install")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(home.unit) in done.stdout and "loginctl enable-linger" in done.stdout
    assert command_of(read_unit(home.unit.read_bytes()))[-1] == str(home.soul.config)
    assert home.asked() == ["show-environment", "daemon-reload", "enable", "show", "start"]
    shown = home.soul.json("service", "status")
    assert (shown["is_running"], shown["pid"], shown["config"]) == (
        *(True, 41),
        str(home.soul.config),
    )
    assert "process 41, since Mon" in home.soul("service", "status").stdout
    assert home.soul("service", "logs", "-n", "5").stdout == "Started Bit-TTT[1m.\n"
    assert home.soul("service", "uninstall").returncode == 0
    assert home.asked()[-2:] == ["disable", "daemon-reload"] and not home.unit.exists()
    assert "not installed" in home.soul("service", "uninstall").stdout


def test_install_only_shown_changes_nothing(home: Home) -> None:
    done = home.soul("service", "install", "--dry-run")
    assert command_of(read_unit(done.stdout.encode()))[-1] == str(home.soul.config)
    assert str(home.unit) in done.stderr
    assert not home.unit.exists() and home.tools.calls() == []


def test_install_for_another_config_is_refused(home: Home, tmp_path: Path) -> None:
    home.soul("service", "install")
    before = home.unit.read_bytes()
    other = tmp_path / "other.yaml"
    other.write_text("bit_ttt: 1\n")
    for words in ("install", "uninstall"):
        done = home.soul("service", words, "--config", str(other))
        assert done.returncode == 1
        assert str(home.soul.config) in done.stderr and str(other) in done.stderr
        assert "soul service uninstall --config" in done.stderr
    assert home.unit.read_bytes() == before


def test_install_without_a_session_writes_nothing(home: Home) -> None:
    home.tools.add("systemctl", {"show-environment": "Failed to connect to bus"})
    done = home.soul("service", "install")
    assert done.returncode == 1 and "Failed to connect to bus" in done.stderr
    assert not home.unit.exists()


def test_install_takes_the_place_of_a_daemon_that_runs(home: Home, tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, _):
        done = home.soul("service", "install", "--lang", "ja")
        assert daemon.process.wait(10) == 0, done.stderr
        assert str(daemon.process.pid) in done.stdout
        assert home.asked()[-1] == "start"


def test_a_second_daemon_beside_the_service_is_no_reason_to_try_again(
    home: Home, tmp_path: Path
) -> None:
    unit = read_unit(systemd_unit.render(service_of(home.soul.config)))
    with running(tmp_path):
        second = subprocess.run(command_of(unit), capture_output=True, timeout=20)
    assert str(second.returncode) in unit["Service"]["RestartPreventExitStatus"].split()
