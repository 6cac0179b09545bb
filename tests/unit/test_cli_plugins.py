"""``soul plugins``, against a scripted daemon and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from soul_cli.commands.daemon import status_rows
from soul_cli.exits import Exit
from soul_cli.plugin_metadata import read_metadata
from soul_cli.plugin_project import is_name, write_project
from soul_cli.run import run
from soul_cli.settings import Settings
from soul_client.plugin_wire import PluginEntry, PluginList
from soul_client.wire import Ack, FrontendStatus, Kind, Watched
from tests.fakes.fake_daemon import FakeDaemon, answer, fake_daemon

LISTED = PluginList(
    plugins=[
        PluginEntry(name="soul_notes", version="0.1.0", source="bit-ttt", enabled=True, state="on",
                    hooks=["before_turn"], jobs=["night"], frontends=["page"]),
        PluginEntry(name="bad", source="module", enabled=True, state="disabled", strikes=3,
                    problem="after_turn raised\x1b[2J KeyError"),
        PluginEntry(name="later", version="2", source="later-dist"),
    ]
)  # fmt: skip
CONFIG = "plugins:\n  enabled: [soul_notes, later]  # mine\n"
BROKEN = """
import sys
from sould.plugin import hookimpl
print("a plugin's own words")
"""


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    with fake_daemon(tmp_path) as running:
        with running.config.open("a") as config:
            config.write(CONFIG)
        running.scripts["plugins.list"] = answer((Kind.ACK, Ack()), (Kind.DONE, LISTED))
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config without a daemon, beside a folder that modules are imported from."""
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.syspath_prepend(tmp_path)
    config = tmp_path / "config.yaml"
    config.write_text("bit_ttt: 1\n", "utf-8")
    return config


def told(config: Path, *args: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(["plugins", *args, "--config", str(config)])
    return code, capsys.readouterr().out


def test_list(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = told(daemon.config, "list", capsys=capsys)
    assert code == Exit.OK
    header, notes, bad, later = out.splitlines()
    assert header.split() == ["name", "version", "from", "state"]
    assert notes.split() == ["soul_notes", "0.1.0", "bit-ttt", "on"]
    assert "it failed 3 times" in bad and "KeyError (off from the next start)" in bad
    assert "\x1b" not in bad
    assert later.endswith("off (on from the next start)")
    _, out = told(daemon.config, "list", "--json", capsys=capsys)
    assert [one["name"] for one in json.loads(out)["plugins"]] == ["soul_notes", "bad", "later"]


def test_info(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = told(daemon.config, "info", "soul_notes", capsys=capsys)
    rows = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert code == Exit.OK
    assert (rows["state"], rows["hooks"], rows["jobs"]) == ("on", "before_turn", "night")
    assert rows["frontends"] == "page"
    code, _ = told(daemon.config, "info", "no_such_plugin", capsys=capsys)
    assert code == Exit.FAILED


def test_status_shows_frontends(daemon: FakeDaemon) -> None:
    frontends = [
        FrontendStatus(plugin="p", name="page", state="running", pid=7, problem="exit code 1"),
        FrontendStatus(plugin="p", name="bot", state="waiting", restarts=2, problem="exit code 3"),
    ]
    status = msgspec.structs.replace(daemon.status(), frontends=frontends)
    rows = status_rows(Settings(config=str(daemon.config), language="en"), status)
    assert [value for name, value in rows if name == "frontend"] == [
        "page of p: running, process 7",
        "bot of p: ended 2 times, is started again: exit code 3",
    ]


def test_a_change_is_said_with_what_the_daemon_makes_of_it(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = told(daemon.config, "disable", "later", capsys=capsys)
    assert code == Exit.OK
    assert out.splitlines() == ["later is disabled", "in the daemon that runs: off"]
    assert "enabled: [soul_notes]  # mine" in daemon.config.read_text("utf-8")
    code, out = told(daemon.config, "disable", "later", capsys=capsys)
    assert code == Exit.OK and out == "later was not enabled\n"


def test_a_daemon_in_safe_mode_takes_a_change_up_later(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched(models="notices", restart=["plugins.enabled"])
    status = msgspec.structs.replace(daemon.status(), watched=watched)
    daemon.scripts["daemon.status"] = answer((Kind.DONE, status))
    code, out = told(daemon.config, "disable", "later", capsys=capsys)
    assert code == Exit.OK and "later is disabled" in out and "soul restart" in out


def test_without_a_daemon_the_config_tells(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home.parent / "quiet_one.py").write_text("raise SystemExit(9)", "utf-8")
    code, out = told(home, "enable", "quiet_one", "--json", capsys=capsys)
    assert json.loads(out) == {"name": "quiet_one", "enabled": True, "changed": True}
    code, out = told(home, "list", capsys=capsys)
    assert code == Exit.OK
    assert out.splitlines()[1].split() == ["quiet_one", "module", "enabled"]
    code, out = told(home, "info", "quiet_one", capsys=capsys)  # 9 if it were imported
    assert code == Exit.OK and "quiet_one" in out
    code, _ = told(home, "enable", "no_such_plugin", capsys=capsys)
    assert code == Exit.FAILED and "no_such_plugin" not in home.read_text("utf-8")


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("", "implements no hook"),
        ("import sys\nsys.exit(4)\n", "SystemExit: 4"),
        ("import os\nos._exit(0)\n", "ended the process"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("import no_such_module\n", "no_such_module"),
        ("def f(:\n", "SyntaxError"),
        ("@hookimpl\ndef befor_turn(turn): ...\n", "before_turn"),
        ("@hookimpl\ndef before_turn(turns): ...\n", "turns"),
    ],
)
def test_check_says_what_is_wrong(
    home: Path, capsys: pytest.CaptureFixture[str], code: str, problem: str
) -> None:
    (home.parent / "broken.py").write_text(BROKEN + code, "utf-8")
    exit_code, out = told(home, "check", "broken", capsys=capsys)
    assert exit_code == Exit.FAILED and problem in out
    assert "broken" not in sys.modules


def test_check_says_what_is_good(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = BROKEN + "@hookimpl\ndef before_turn(turn): ...\n"
    (home.parent / "sound.py").write_text(code, "utf-8")
    code_, out = told(home, "check", "sound", capsys=capsys)
    assert (code_, out) == (Exit.OK, "sound is good; its hooks: before_turn\n")


def test_check_of_a_plugin_that_is_not_there(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = told(home, "check", "--json", "no_such_plugin", capsys=capsys)
    assert code == Exit.FAILED and "no_such_plugin" in json.loads(out)["problem"]


def test_wrong_config_is_said(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.write_text("bit_ttt: 1\nplugin: {}\n", "utf-8")
    assert run(["plugins", "list", "--config", str(home)]) == Exit.CONFIG
    assert "plugins" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "may_be"),
    [("my_plugin", True), ("a1", True), ("My", False), ("1a", False), ("class", False),
     ("json", False), ("a-b", False), ("../x", False), ("a" * 41, False), ("", False)],
)  # fmt: skip
def test_what_a_plugin_may_be_called(name: str, may_be: bool) -> None:
    assert is_name(name) is may_be


def test_new_writes_a_project_whose_test_passes(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home.parent / "project"
    code, out = told(home, "new", "day_teller", "--folder", str(folder), "--json", capsys=capsys)
    assert code == Exit.OK
    files = [Path(file).relative_to(folder) for file in json.loads(out)["files"]]
    assert {str(file.parent) for file in files} == {".", "day_teller", "tests"}
    written = "".join((folder / file).read_text("utf-8") for file in files)
    assert "$" not in written and "day_teller" in written
    done = pytest_in(folder)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr
    assert run(["plugins", "new", "day_teller", "--folder", str(folder)]) == Exit.USAGE


def test_new_refuses_a_name_that_is_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "new", "json", "--folder", str(home.parent / "x")]) == Exit.USAGE
    assert not (home.parent / "x").exists() and "'json'" in capsys.readouterr().err


def test_project_that_fails_its_test_says_so(tmp_path: Path) -> None:
    write_project(tmp_path / "p", "day_teller")
    module = tmp_path / "p" / "day_teller" / "__init__.py"
    module.write_text(
        module.read_text("utf-8").replace("def before_turn", "def befor_turn"), "utf-8"
    )
    done = pytest_in(tmp_path / "p", "-k", "real_daemon")
    assert done.returncode == 1 and "did you mean before_turn?" in done.stdout


def pytest_in(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a project's tests as its author would: in another process, with our fixtures."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "BIT_TTT"))}
    path = os.pathsep.join(filter(None, sys.path))
    environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": path}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "sould.testing.fixtures", *args]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


def test_metadata_of_a_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info: dict[str, Any] = {
        "METADATA": (
            "Metadata-Version: 2.4\nName: far-dist\nVersion: 3\nSummary: Says\n  much\n"
            "Author-email: A <a@example.org>\nLicense-Expression: MIT\n"
            "Project-URL: Home, https://example.org/far\n"
            "Requires-Dist: numpy>=1\nRequires-Dist: pytest; extra == 'test'\n"
        ),
        "entry_points.txt": "[bit_ttt.plugins]\nfar = far_module:plugin\n",
    }
    folder = tmp_path / "far_dist-3.dist-info"
    folder.mkdir()
    for name, text in info.items():
        (folder / name).write_text(text, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    said = read_metadata("far")
    assert said is not None
    assert (said.target, said.summary, said.licence) == ("far_module:plugin", "Says much", "MIT")
    assert (said.author, said.home_page) == ("A <a@example.org>", "https://example.org/far")
    assert said.needs == ["numpy>=1"]
    assert read_metadata("near") is None


def test_fixtures_cost_nothing_before_they_are_used() -> None:
    code = (
        "import sys, pytest, typing; before = set(sys.modules); import sould.testing.fixtures;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sould", "sould.testing", "sould.testing.fixtures"]
