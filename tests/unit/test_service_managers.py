"""What the service managers are asked for, and what becomes of what they answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from soul_cli.service import installing
from soul_cli.service.launchd import Launchd
from soul_cli.service.manager import Manager, State
from soul_cli.service.spec import Service
from soul_cli.service.systemd import Systemd
from soul_cli.service.task_scheduler import TaskScheduler
from soul_client.errors import ServiceFailed
from tests.fakes.service_tools import FakeTools

SHOWN = (
    "ActiveState={active}\nUnitFileState=enabled\nMainPID=41\n"
    "ActiveEnterTimestamp=Mon 2026-01-05 08:00:00 CET\nResult={result}\nNRestarts=5\n"
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return service_of(tmp_path / "config.yaml")


def service_of(config: Path) -> Service:
    return Service(
        command=("/venv/bin/python", "-m", "sould", "--config", str(config)),
        config=config,
        log=config.parent / "workspace" / "logs" / "stderr.log",
        environment={},
    )


def test_systemd_starts_a_unit_that_failed_too_often() -> None:
    tools = FakeTools({"show ": SHOWN.format(active="failed", result="exit-code")})
    Systemd(tools).start()
    asked = [call.removeprefix("systemctl --user ") for call in tools.calls]
    assert asked[:2] == ["daemon-reload", "enable bit-ttt.service"]
    assert asked[-2:] == ["reset-failed bit-ttt.service", "start bit-ttt.service"]


@pytest.mark.parametrize(
    ("active", "result", "state"),
    [
        (
            *("active", "success"),
            State(
                is_enabled=True,
                is_running=True,
                pid=41,
                since="Mon 2026-01-05 08:00:00 CET",
                note="active",
            ),
        ),
        (
            *("failed", "watchdog"),
            State(is_enabled=True, is_running=False, note="failed (watchdog, 5 restarts)"),
        ),
    ],
)
def test_systemd_tells_the_state(active: str, result: str, state: State) -> None:
    assert (
        Systemd(FakeTools({"show ": SHOWN.format(active=active, result=result)})).state() == state
    )


def test_systemd_without_a_session_says_what_to_do() -> None:
    with pytest.raises(ServiceFailed) as caught:
        Systemd(FakeTools({"show-environment": None})).require()
    assert "soul up" in caught.value.hint


def test_systemd_keeps_a_journal() -> None:
    journal = Systemd(FakeTools()).journal(7, follow=True)
    assert journal[:2] == ["journalctl", "--user"]
    assert {"--unit=bit-ttt.service", "--lines=7", "--follow"} <= set(journal)


def test_launchd_loads_an_agent_anew() -> None:
    tools = FakeTools({"print": "\tpid = 41\n"})
    launchd = Launchd(501, tools)
    launchd.start()
    assert tools.calls[1:] == [
        "launchctl bootout gui/501/bit-ttt.sould",
        "launchctl enable gui/501/bit-ttt.sould",
        f"launchctl bootstrap gui/501 {launchd.definition}",
    ]
    assert launchd.state() == State(is_enabled=True, is_running=True, pid=41)
    assert not launchd.journal(5, follow=False)


def test_launchd_tells_how_an_agent_ended() -> None:
    ended = Launchd(501, FakeTools({"print": "\tlast exit code = 78: EX_CONFIG\n"})).state()
    assert ended == State(is_enabled=True, is_running=False, note="last exit code 78: EX_CONFIG")
    gone = FakeTools({"print": None})
    Launchd(501, gone).stop()
    assert "bootout" not in " ".join(gone.calls)
    assert not Launchd(501, gone).state().is_enabled


def test_the_task_scheduler_registers_and_runs_the_task() -> None:
    tools = FakeTools({"/FO CSV": '"PC","\\Bit-TTT","","","","","267009"\n'})
    scheduler = TaskScheduler(tools)
    scheduler.start()
    assert tools.calls == [
        f"schtasks /Create /TN Bit-TTT /XML {scheduler.definition} /F",
        "schtasks /Run /TN Bit-TTT",
    ]
    assert scheduler.state() == State(is_enabled=True, is_running=True)
    scheduler.stop()
    assert tools.calls[-1] == "schtasks /Delete /TN Bit-TTT /F"
    unknown = TaskScheduler(FakeTools({"/Query": None}))
    assert unknown.state() == State(is_enabled=False, is_running=False, note="not registered")


@pytest.fixture(params=["systemd", "launchd", "windows"])
def manager(request: pytest.FixtureRequest) -> Manager:
    managers: dict[str, Manager] = {
        "systemd": Systemd(FakeTools()),
        "launchd": Launchd(501, FakeTools()),
        "windows": TaskScheduler(FakeTools()),
    }
    return managers[request.param]


def test_a_definition_is_written_read_and_removed(
    manager: Manager, service: Service, home: Path
) -> None:
    assert installing.installed(manager) is None
    installing.write(manager, service)
    found = installing.installed(manager)
    assert found is not None and found.program == "/venv/bin/python"
    installing.require_ours(found, service)
    assert manager.definition.is_relative_to(home)
    assert service.log.parent.stat().st_mode & 0o077 == 0  # the daemon insists on it
    assert [path.name for path in manager.definition.parent.iterdir()] == [manager.definition.name]
    installing.remove(manager)
    assert installing.installed(manager) is None


def test_another_installation_is_left_alone(
    manager: Manager, service: Service, tmp_path: Path
) -> None:
    other = service_of(tmp_path / "other.yaml")
    installing.write(manager, service)
    with pytest.raises(ServiceFailed, match=r"installed for .*config.yaml, this is .*other.yaml"):
        installing.require_ours(installing.installed(manager), other)


def test_a_file_of_somebody_else_is_not_touched(manager: Manager, service: Service) -> None:
    manager.definition.parent.mkdir(parents=True)
    manager.definition.write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(ServiceFailed, match="was not written by 'soul service install'"):
        installing.installed(manager)
