"""What the doctor finds, each thing on its own; and that it touches nothing."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import msgspec
import pytest

from soul_cli.commands.doctor import lines
from soul_cli.examining import daemon
from soul_cli.settings import Settings
from soul_cli.texts import LANGUAGES, table
from soul_client.findings import Finding, ok, problem
from sould.config import Config, load
from sould.doctor import body, machine, packages, places, souls
from sould.doctor.main import findings
from sould.soulfile.home import SoulFolder
from sould.soulfile.writing import write_empty
from tests.fakes.fake_daemon import fake_daemon
from tests.fakes.souls import make_meta
from tests.fakes.tiny_home import write_tiny_home

ROOT = Path(__file__).parents[2]
SOURCES = [
    *(ROOT / "daemon" / "sould" / "doctor").glob("*.py"),
    ROOT / "clients" / "soul_cli" / "examining.py",
]
unless_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere"
)


def config_of(folder: Path, text: str = "") -> Config:
    path = folder / "config.yaml"
    path.write_text(f"bit_ttt: 1\nruntime_dir: {folder / 'run'}\n{text}\n", "utf-8")
    return load(path)


def tree_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return what there is in a folder: times, modes and sizes."""
    stats = {str(path): path.lstat() for path in sorted(folder.rglob("*"))}
    return {path: (s.st_mtime_ns, s.st_mode, s.st_size) for path, s in stats.items()}


def said(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.level, one.said) for one in found]


def test_everything_that_can_be_said_has_words() -> None:
    keys = {
        key
        for path in SOURCES
        for key in re.findall(r'"((?:[a-z]+)\.[a-z_]+)"', path.read_text("utf-8"))
    }
    kinds = {key.removeprefix("doctor.") for key in table("en") if key.startswith("doctor.")}
    words = {key for key in kinds if not key.endswith(".do") and not key.startswith("level.")}
    assert len(words) > 40
    assert words - {"looking"} == keys


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_finding_is_a_line_and_what_to_do_is_below_it(language: str) -> None:
    found = [
        ok("disk", "disk.good", free_bytes=2_000_000_000, path="/w"),
        problem("body", "body.missing", name="big", error="no body 'big' in /m"),
    ]
    first, second, advice = lines(Settings(language=language), found)
    assert "disk" in first and "2.0 GB" in first
    assert "no body 'big' in /m" in second
    assert advice.startswith("    → ") and "soul body pull big" in advice


def test_a_good_home(tmp_path: Path) -> None:
    config = load(write_tiny_home(tmp_path))
    before = tree_of(tmp_path)
    assert said([*places.folders(config), *places.lock(config)]) == [
        ("ok", "folder.good"),
        ("ok", "lock.free"),
    ]
    assert said(list(body.body(config))) == [("ok", "body.good"), ("ok", "memory.good")]
    assert said(list(souls.soul(config))) == [("ok", "soul.begins")]
    assert tree_of(tmp_path) == before


def test_folders_that_others_can_reach_are_named(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    for name, mode in (("memories", 0o755), ("logs", 0o700)):
        (config.workspace / name).mkdir(parents=True)
        (config.workspace / name).chmod(mode)
    (config.workspace / "souls").write_text("no folder")
    found = list(places.folders(config))
    assert said(found) == [("problem", "folder.open"), ("problem", "folder.file")]
    assert found[0].values == {"path": str(config.workspace / "memories"), "mode": "0755"}


@unless_root
def test_folders_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    config = config_of(tmp_path, "workspace: closed/workspace")
    (tmp_path / "closed").mkdir(mode=0o500)
    assert ("problem", "folder.unmade") in said(list(places.folders(config)))


def test_a_runtime_dir_too_long_for_sockets_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"runtime_dir: {tmp_path / ('x' * 120)}\n")
    assert ("problem", "folder.long") in said(list(places.folders(load(path))))


def test_what_a_crash_left_is_named_and_left(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    config.runtime_dir.mkdir()
    config.workspace.mkdir()
    (config.runtime_dir / "rpc.sock").touch()
    (config.workspace / "sould.lock").write_text("4194400\n")  # no such process
    (found,) = places.lock(config)
    assert (found.level, found.said) == ("warning", "lock.left")
    assert str(config.runtime_dir / "rpc.sock") in str(found.values["files"])
    assert (config.runtime_dir / "rpc.sock").exists()


def test_a_lock_of_a_program_that_is_no_daemon_is_free(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    config.workspace.mkdir()
    (config.workspace / "sould.lock").write_text("1\n")  # whatever runs first here
    assert said(list(places.lock(config))) == [("ok", "lock.free")]


def test_a_body_that_is_missing_cut_off_or_too_large(tmp_path: Path) -> None:
    config = load(write_tiny_home(tmp_path))
    whole = tmp_path / "models" / "tiny" / "model.safetensors"
    whole.write_bytes(whole.read_bytes()[:-1])
    assert said(list(body.body(config))) == [("problem", "body.invalid")]
    small = config_of(tmp_path, "body: {name: none}")
    assert said(list(body.body(small))) == [("problem", "body.missing")]


def test_a_body_over_the_budget(tmp_path: Path) -> None:
    path = write_tiny_home(tmp_path)
    path.write_text(path.read_text().replace("name: tiny,", "name: tiny, memory_budget: 1MB,"))
    assert said(list(body.body(load(path))))[1:] == [("problem", "memory.budget")]


def test_souls_that_are_damaged(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    home = SoulFolder(config.workspace / "souls").new("default")
    home.add(lambda path: write_empty(path, make_meta(level=0, taught=frozenset())))
    home.add(lambda path: write_empty(path, make_meta(level=0, taught=frozenset())))
    assert said(list(souls.soul(config))) == [("ok", "soul.good")]
    first, second = sorted(home.folder.glob("*.soul"))
    second.write_bytes(second.read_bytes()[:-1] + b"?")
    assert said(list(souls.soul(config))) == [("warning", "soul.passed_over"), ("ok", "soul.good")]
    first.write_bytes(b"")
    assert said(list(souls.soul(config))) == [("problem", "soul.lost")]
    (config.workspace / "souls" / "active").write_bytes(b"../x")
    assert said(list(souls.soul(config))) == [("problem", "soul.unread")]


def test_a_compiler_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    for kernel, expected in {
        "auto": ("warning", "kernel.slow"),
        "native": ("problem", "kernel.missing"),
        "torch": ("ok", "kernel.not_asked"),
    }.items():
        config = config_of(tmp_path, f"body: {{kernel: {kernel}}}")
        assert said(list(machine.kernel(config))) == [expected]
    monkeypatch.setenv("CC", f"{sys.executable} -x")
    (found,) = machine.kernel(config_of(tmp_path))
    assert found.values == {"command": f"{sys.executable} -x"}


def test_a_gpu_is_only_looked_for_if_it_may_be_used(tmp_path: Path) -> None:
    assert said(list(machine.device(config_of(tmp_path, "body: {device: cpu}")))) == [
        ("ok", "device.cpu")
    ]
    (found,) = machine.device(config_of(tmp_path, "body: {device: 'cuda:99'}"))
    assert (found.level, found.said) == ("problem", "device.missing")


@pytest.mark.parametrize(
    ("requirement", "fault"),
    [
        ("msgspec>=0.18", ""),
        ("msgspec>=999", "msgspec is"),
        ("no-such-package-of-ours", "no-such-package-of-ours is missing"),
        ("no-such-package-of-ours; extra == 'test'", ""),
        ("no-such-package-of-ours; python_version < '3'", ""),
    ],
)
def test_a_requirement_is_met_or_named(requirement: str, fault: str) -> None:
    found = packages.fault_of(requirement)
    assert found.startswith(fault) and bool(found) is bool(fault)


def test_a_wrong_config_does_not_hide_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("boddy: {}\n")
    found = list(findings(str(path)))
    assert [one.check for one in found] == ["python", "packages", "torch", "config"]
    assert msgspec.json.decode(msgspec.json.encode(found), type=list[Finding]) == found
    assert "unknown key boddy" in str(found[-1].values["error"])
    assert list(findings(str(tmp_path / "no.yaml")))[-1].said == "config.wrong"


def test_a_daemon_of_another_release_is_named(tmp_path: Path) -> None:
    with fake_daemon(tmp_path) as running:
        found = list(daemon(running.config))
    assert said(found)[0] == ("warning", "daemon.other_version")
    assert found[0].values["version"] == "0"


def test_a_connection_that_others_can_read_is_a_problem(tmp_path: Path) -> None:
    with fake_daemon(tmp_path) as running:
        (tmp_path / "run" / "connection.json").chmod(0o644)
        (found,) = daemon(running.config)
    assert (found.level, found.said) == ("problem", "daemon.refused")
    assert "chmod 600" in str(found.values["error"])
