"""What starts the daemon at login, in the formats of three systems: well formed, and escaped."""

from __future__ import annotations

import plistlib
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soul_cli.service import launchd_agent, systemd_unit, windows_task
from soul_cli.service.spec import STOP_WITHIN_S, Installed, Service, service_of
from soul_client.errors import ServiceFailed
from tests.fakes.unit_file import command_of, environment_of, read_unit

NASTY = '/srv/a b/it\'s "q" \\x 50% %h $HOME ${A} é 縁側　& <x> ;#=/config.yaml'
TASK = {"t": windows_task.NAMESPACE}
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40).filter(
    lambda text: not any(ord(c) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(c) <= 0xFDEF for c in text)
)


def service(config: str = "/home/u/config.yaml", program: str = "/opt/venv/bin/python") -> Service:
    return Service(
        command=(program, "-P", "-m", "sould", "--config", config),
        config=Path(config),
        log=Path("/home/u/workspace/logs/stderr.log"),
        environment={"PATH": "/usr/bin:/bin", "CC": config},
    )


def task_of(data: bytes) -> ET.Element:
    assert data.startswith((b"\xff\xfe", b"\xfe\xff"))
    return ET.fromstring(data)


def windows_words(line: str) -> list[str]:
    """Return the arguments a Windows program finds in a line, as CommandLineToArgvW does."""
    words, word, is_quoted, is_begun, slashes = [], "", False, False, 0
    for char in [*line, " "]:
        if char == "\\":
            slashes, is_begun = slashes + 1, True
            continue
        if char == '"':
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += char
            else:
                is_quoted, is_begun = not is_quoted, True
        else:
            word += "\\" * slashes
            if char in " \t" and not is_quoted:
                if is_begun:
                    words.append(word)
                word, is_begun = "", False
            else:
                word, is_begun = word + char, True
        slashes = 0
    assert not is_quoted
    return words


def test_the_service_is_the_daemon_of_this_python(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("workspace: w\n")
    made = service_of(config, {"PATH": "/bin", "HOME": "/root", "CC": ""})
    assert made.command[1:] == ("-P", "-m", "sould", "--config", str(config))
    assert Path(made.command[0]).is_absolute()
    assert made.log == tmp_path / "w" / "logs" / "stderr.log"
    assert made.environment == {"PATH": "/bin"}  # what the daemon does not need stays out


def test_the_unit_says_how_it_is_watched_restarted_and_stopped() -> None:
    unit = read_unit(systemd_unit.render(service()))
    runs = unit["Service"]
    assert runs["Type"] == "notify" and int(runs["WatchdogSec"]) > 0
    assert runs["Restart"] == "on-failure" and runs["RestartPreventExitStatus"] == "2 75 78"
    assert int(unit["Unit"]["StartLimitBurst"]) * int(runs["RestartSec"]) < int(
        unit["Unit"]["StartLimitIntervalSec"]
    )  # else it would never be reached
    assert runs["KillMode"] == "mixed" and int(runs["TimeoutStopSec"]) == STOP_WITHIN_S
    assert runs["OOMPolicy"] == "continue"
    assert unit["Install"]["WantedBy"] == "default.target"


def test_the_unit_keeps_out_what_the_daemon_or_its_clients_would_not_survive() -> None:
    runs = read_unit(systemd_unit.render(service()))["Service"]
    assert runs["NoNewPrivileges"] == "yes" and runs["UMask"] == "0077"
    assert "AF_UNIX" in runs["RestrictAddressFamilies"]
    harmful = {
        *("MemoryDenyWriteExecute", "NoExecPaths", "SystemCallFilter"),
        *("PrivateTmp", "ProtectSystem", "ProtectHome", "ReadOnlyPaths", "PrivateUsers"),
        *("RuntimeDirectory", "PrivateNetwork", "MemoryMax"),
    }
    assert not harmful & set(runs)


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze here")
    program = tmp_path / "a $b 50% é" / "python"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    (tmp_path / "u").mkdir()
    path = tmp_path / "u" / systemd_unit.NAME
    path.write_bytes(systemd_unit.render(service(NASTY, str(program))))
    done = subprocess.run(
        [analyze, "verify", "--user", str(path)],
        env={"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


@given(texts, texts)
def test_a_unit_starts_what_was_meant_whatever_is_in_a_path(name: str, folder: str) -> None:
    program = f"/opt/{folder}/python".translate(dict.fromkeys(map(ord, "\"'\\")))
    wanted = service(f"/srv/{name}/config.yaml", program)
    data = systemd_unit.render(wanted)
    unit = read_unit(data)
    assert command_of(unit) == list(wanted.command)
    assert environment_of(unit) == wanted.environment
    assert systemd_unit.read(data) == Installed(config=str(wanted.config), program=program)


def test_a_program_that_systemd_cannot_start_is_refused() -> None:
    with pytest.raises(ServiceFailed, match="no program with a quote or a backslash"):
        systemd_unit.render(service(program='/opt/"x"/python'))


@given(texts)
def test_an_agent_starts_what_was_meant_whatever_is_in_a_path(name: str) -> None:
    wanted = service(f"/srv/{name}/config.yaml")
    data = launchd_agent.render(wanted)
    values = plistlib.loads(data)
    assert values["ProgramArguments"] == list(wanted.command)
    assert values["EnvironmentVariables"] == wanted.environment
    assert launchd_agent.read(data) == Installed(
        config=str(wanted.config), program=wanted.command[0]
    )


def test_the_agent_is_kept_alive_only_if_it_failed() -> None:
    values = plistlib.loads(launchd_agent.render(service()))
    assert values["Label"] == launchd_agent.LABEL
    assert values["RunAtLoad"] is True
    assert values["KeepAlive"] == {"SuccessfulExit": False}
    assert values["ThrottleInterval"] >= 10  # launchd's own least
    assert values["ExitTimeOut"] == STOP_WITHIN_S
    assert values["StandardErrorPath"] == "/home/u/workspace/logs/stderr.log"
    assert values["Umask"] == 0o077


def test_the_task_has_its_parts_in_the_order_of_the_schema() -> None:
    task = task_of(windows_task.render(service(), "DOM\\me"))
    assert task.tag == f"{{{windows_task.NAMESPACE}}}Task" and task.get("version") == "1.2"
    order = [child.tag.partition("}")[2] for child in task]
    assert order == ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"]
    trigger = task.find("t:Triggers/t:LogonTrigger", TASK)
    assert trigger is not None
    assert [child.tag.partition("}")[2] for child in trigger] == ["Enabled", "UserId"]
    run = task.find("t:Actions/t:Exec", TASK)
    assert run is not None
    assert [child.tag.partition("}")[2] for child in run] == ["Command", "Arguments"]


def test_the_task_asks_for_little_and_runs_for_ever() -> None:
    task = task_of(windows_task.render(service(), "DOM\\me"))
    found = {e.tag.partition("}")[2]: e.text for e in task.iter() if not len(e)}
    assert found["RunLevel"] == "LeastPrivilege" and found["LogonType"] == "InteractiveToken"
    assert found["ExecutionTimeLimit"] == "PT0S" and found["UserId"] == "DOM\\me"
    assert found["DisallowStartIfOnBatteries"] == found["StopIfGoingOnBatteries"] == "false"
    assert found["Interval"] == "PT1M" and found["Count"] == str(windows_task.RESTARTS)
    principal, actions = task.find(".//t:Principal", TASK), task.find("t:Actions", TASK)
    assert principal is not None and actions is not None
    assert principal.get("id") == actions.get("Context")


@given(texts)
def test_a_task_starts_what_was_meant_or_is_refused(name: str) -> None:
    wanted = service(f"C:\\my {name}\\", "C:\\venv\\pythonw.exe")
    try:
        data = windows_task.render(wanted, "me")
    except ServiceFailed as e:
        assert name.count("%") > 1 or "$(" in name, e
        return
    run = task_of(data).find("t:Actions/t:Exec", TASK)
    assert run is not None
    assert run.findtext("t:Command", "", TASK) == wanted.command[0]
    assert windows_words(run.findtext("t:Arguments", "", TASK)) == list(wanted.command[1:])
    assert windows_task.read(data) == Installed(
        config=str(wanted.config), program=wanted.command[0]
    )


@pytest.mark.parametrize("path", ["C:\\%TEMP%\\c.yaml", "C:\\$(Arg0)\\c.yaml"])
def test_a_path_that_the_task_scheduler_would_change_is_refused(path: str) -> None:
    with pytest.raises(ServiceFailed, match="would replace"):
        windows_task.render(service(path), "me")


@pytest.mark.parametrize("char", ["\n", "\0", "\x7f", "\udc80", "\uffff"])
def test_what_no_format_can_hold_is_refused(char: str) -> None:
    bad = service(f"/srv/{char}/config.yaml")
    for render in (systemd_unit.render, launchd_agent.render):
        with pytest.raises(ServiceFailed, match="cannot have"):
            render(bad)
    with pytest.raises(ServiceFailed, match="cannot have"):
        windows_task.render(bad, "me")


@pytest.mark.parametrize("read", [systemd_unit.read, launchd_agent.read, windows_task.read])
@pytest.mark.parametrize("data", [b"", b"[Service]\nExecStart=/bin/x\n", b"<a/>", b"\xff\xfe\x00"])
def test_a_definition_of_somebody_else_is_not_ours(read: object, data: bytes) -> None:
    assert callable(read) and read(data) is None
