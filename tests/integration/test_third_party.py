"""Strangers' plugins: two distributions, installed with pip into a fresh environment, at work."""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soul_client import locate
from soul_client.client import Client
from sould.testing.daemon_process import DaemonProcess
from tests.fakes.daemon_process import FAKE_ENGINE, diary_of, write_config

STRANGERS = Path(__file__).parents[1] / "third_party"
CONFIG = """
plugins:
  enabled: [line_chat, choosy_memory]
  settings:
    line_chat: {prompt: Be brief.}
    choosy_memory: {most: 1}
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that sees what is installed here, and both plugins."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=os.name != "nt")
    windows, others = folder / "Scripts" / "python.exe", folder / "bin" / "python"
    python = windows if os.name == "nt" else others
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    here = [path for path in sys.path if path and Path(path).is_dir()]
    Path(own, "here.pth").write_text("\n".join(here) + "\n", "utf-8")
    sources = [
        shutil.copytree(project, folder / "src" / project.name)
        for project in sorted(STRANGERS.iterdir())
    ]
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--no-input", "-q"]
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", *options, *sources]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return python


@pytest.fixture(scope="module")
def daemon(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    config = write_config(tmp_path_factory.mktemp("d"), CONFIG)
    engine = f"{python} {FAKE_ENGINE} --imprints {config.with_name('orders.jsonl')}"
    process = DaemonProcess(config, "--engine", engine, python=str(python))
    try:
        process.await_ready()
        process.await_plugins()
        yield process
    finally:
        process.close()


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[Client]:
    with Client(daemon.config) as client:
        yield client


def soul(python: Path, daemon: DaemonProcess, *args: str) -> Any:
    """Run ``soul plugins`` of that environment."""
    done = subprocess.run(
        [python, "-m", "soul_cli.main", "plugins", *args, "--json", "--config", daemon.config],
        capture_output=True,
        check=False,
    )
    return json.loads(done.stdout)


def await_server(client: Client) -> int:
    """Wait until the frontend listens, and return its process."""
    until = time.monotonic() + 20
    while True:
        (frontend,) = client.status().frontends
        if frontend.state == "running" and can_be_reached(client):
            return frontend.pid
        assert time.monotonic() < until, frontend
        time.sleep(0.02)


def await_learned(client: Client) -> None:
    until = time.monotonic() + 20
    while (now := client.status().soul) is None or now.pending:
        assert time.monotonic() < until
        time.sleep(0.02)


def orders_of(daemon: DaemonProcess) -> Path:
    """Where the fake engine notes what it is asked to teach."""
    return daemon.config.with_name("orders.jsonl")


def can_be_reached(client: Client) -> bool:
    try:
        with connect(client):
            return True
    except OSError:
        return False


def connect(client: Client) -> socket.socket:
    if sys.platform == "win32":
        return socket.create_connection(("127.0.0.1", 7411))
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(Path(client.connection.workspace) / "run" / "line-chat.sock"))
    except OSError:
        connection.close()
        raise
    return connection


def test_they_import_nothing_but_what_is_for_plugins() -> None:
    imported: set[str] = set()
    for path in STRANGERS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                imported |= names if node.module == "sould" else {node.module}
    ours = {
        name for name in imported if name.partition(".")[0] in ("sould", "soul_client", "soul_cli")
    }
    assert ours == {"sould.plugin", "soul_client"}


def test_both_are_listed_as_what_they_are(python: Path, daemon: DaemonProcess) -> None:
    listed = {one["name"]: one for one in soul(python, daemon, "list")["plugins"]}
    chat, memory = listed["line_chat"], listed["choosy_memory"]
    assert (chat["version"], chat["source"], chat["state"]) == ("1.2.0", "line-chat", "on")
    assert (chat["hooks"], chat["frontends"]) == (["register_frontends"], ["server"])
    assert (memory["version"], memory["state"]) == ("0.3.1", "on")
    assert memory["hooks"] == ["make_dreams", "memory_write_policy", "select_replay"]
    info = soul(python, daemon, "info", "line_chat")
    assert (info["author"], info["licence"]) == ("A Stranger", "MIT")
    assert (info["home_page"], info["target"]) == ("https://example.org/line-chat", "line_chat")
    checked = soul(python, daemon, "check", "choosy_memory")
    assert (checked["problem"], checked["hooks"]) == ("", memory["hooks"])


def test_a_chat_by_lines(daemon: DaemonProcess, client: Client) -> None:
    await_server(client)
    with connect(client) as first, connect(client) as second:
        lines, others = first.makefile("rw", encoding="utf-8"), second.makefile("rw")
        with lines, others:
            for stream, said, answer in (
                (lines, "hello there", "hello there"),
                (
                    others,
                    "messages",
                    '{"messages": [["system", "Be brief."], ["user", "messages"]]',
                ),
                (lines, "error busy", "! "),
                (lines, "tokens 2", "t0 t1"),
            ):
                stream.write(f"\n{said}\n")
                stream.flush()
                assert stream.readline().startswith(answer)
    turns = [one for one in diary_of(daemon) if one["text"] in ("hello there", "tokens 2")]
    assert len({one["session"] for one in turns}) == 1


def test_a_chat_that_is_killed_comes_back(client: Client) -> None:
    pid = await_server(client)
    os.kill(pid, 9)
    until = time.monotonic() + 20
    while client.status().frontends[0].restarts == 0:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert await_server(client) != pid


def test_what_is_said_in_jest_is_not_learned_and_nights_are_short(
    daemon: DaemonProcess, client: Client
) -> None:
    for text in ("one is told", "two is told, just kidding", "three is told"):
        client.ask(text)
    learn = {one["text"]: one["learn"] for one in diary_of(daemon) if one["role"] == "user"}
    assert learn["one is told"] and learn["three is told"]
    assert not learn["two is told, just kidding"]
    await_learned(client)
    report = client.soul_sleep()
    newest = next(one for one in diary_of(daemon) if one["text"] == "three is told")
    assert [one.id for one in report.facts] == [newest["id"]]


def test_names_are_dreamt_of_in_their_words(daemon: DaemonProcess, client: Client) -> None:
    client.ask("My cat is called Biscuit.")
    await_learned(client)
    client.soul_sleep()
    orders = [json.loads(line) for line in orders_of(daemon).read_text("utf-8").splitlines()]
    assert [one["dreams"] for one in orders if "dreams" in one] == [
        [
            ["What did I call my cat?", "Your cat is called Biscuit."],
            ["Who is Biscuit?", "Your cat is called Biscuit."],
        ]
    ]


def test_all_of_it_ends_with_the_daemon(daemon: DaemonProcess, client: Client) -> None:
    pid = await_server(client)
    assert daemon.terminate() == 0
    assert not locate.is_alive(pid)
