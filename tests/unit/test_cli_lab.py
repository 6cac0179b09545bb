"""``soul lab``, against a scripted daemon."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from soul_cli.exits import Exit
from soul_cli.run import run
from soul_client.lab_door import LabDoor, door_file, ticket_expiry, write_door
from soul_client.plugin_wire import PluginEntry, PluginList
from soul_client.wire import Ack, FrontendStatus, Kind
from tests.fakes.fake_daemon import FakeDaemon, answer, fake_daemon

TOKEN = "a-token-of-the-tests"
SERVER = FrontendStatus(plugin="soul_lab", name="page", state="running", pid=4711)


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A daemon with the plugin, and its server."""
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    with fake_daemon(tmp_path) as running:
        with running.config.open("a") as config:
            config.write("plugins: {enabled: [soul_lab]}\n")
        stands(running, PluginEntry(name="soul_lab", enabled=True, state="on"), SERVER)
        write_door(tmp_path / "workspace", LabDoor(url="http://here/", token=TOKEN, pid=SERVER.pid))
        yield running


def stands(daemon: FakeDaemon, plugin: PluginEntry, *frontends: FrontendStatus) -> None:
    """Have the daemon say how plugin and server stand."""
    listed = PluginList(plugins=[plugin])
    status = msgspec.structs.replace(daemon.status(), frontends=list(frontends))
    daemon.scripts["plugins.list"] = answer((Kind.ACK, Ack()), (Kind.DONE, listed))
    daemon.scripts["daemon.status"] = answer((Kind.DONE, status))


def lab(daemon: FakeDaemon, *args: str) -> int:
    return run(["lab", *args, "--config", str(daemon.config)])


def test_the_address_lets_a_browser_in(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab(daemon, "--print") == Exit.OK
    address = capsys.readouterr().out.strip()
    assert address.startswith("http://here/?token=") and TOKEN not in address
    ticket = address.partition("token=")[2]
    assert ticket_expiry(TOKEN, ticket, now_s=time.time()) is not None
    assert lab(daemon, "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["url"] != address, "each is good for one browser"


def test_nothing_is_enabled_unasked(
    tmp_path: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    stands(daemon, PluginEntry(name="soul_lab", state="off"))
    before = daemon.config.read_text()
    assert lab(daemon, "--print") == Exit.USAGE
    assert "soul plugins enable soul_lab" in capsys.readouterr().err
    daemon.config.write_text(before.replace("[soul_lab]", "[]"))
    assert lab(daemon, "--print") == Exit.USAGE
    assert "[soul_lab]" not in daemon.config.read_text()


def test_why_there_is_no_server(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    failed = msgspec.structs.replace(
        SERVER, state="waiting", pid=0, restarts=2, problem="port 7412 cannot be used"
    )
    stands(daemon, PluginEntry(name="soul_lab", enabled=True, state="on"), failed)
    assert lab(daemon, "--print") == Exit.CANNOT_START
    assert "port 7412 cannot be used" in capsys.readouterr().err
    wrong = PluginEntry(name="soul_lab", enabled=True, state="failed", problem="host\x1b[2J: x")
    stands(daemon, wrong)
    assert lab(daemon, "--print") == Exit.CANNOT_START
    assert "host[2J: x" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="a profile folder's access list guards it there")
def test_a_token_that_others_can_read_is_not_used(
    tmp_path: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    door_file(tmp_path / "workspace").chmod(0o644)
    assert lab(daemon, "--print") == Exit.FAILED
    assert "chmod 600" in capsys.readouterr().err
