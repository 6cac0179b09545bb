"""A daemon with the fake engine, shared by the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.daemon_process import DaemonProcess, Peer, running


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """One daemon for all tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("d")
    config = """
        chat: {system_prompt: Be kind., top_k: 7}
        wire: {max_in_flight: 6, max_queue: 9, max_message_chars: 5000, max_frame_bytes: 65536}
        body: {parallel: 2}
    """
    with running(folder, "\n".join(line.strip() for line in config.splitlines())) as (process, _):
        yield process


@pytest.fixture
def peer(daemon: DaemonProcess) -> Iterator[Peer]:
    """A client of the shared daemon."""
    peer = Peer(daemon.await_ready())
    yield peer
    peer.close()


@pytest.fixture
def other(daemon: DaemonProcess) -> Iterator[Peer]:
    """Another client of the shared daemon."""
    peer = Peer(daemon.await_ready())
    yield peer
    peer.close()


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """The file in which the fake engine notes each imprint it is asked for."""
    return tmp_path / "asked.jsonl"


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """The file in which the fake engine notes each imprint it has done."""
    return tmp_path / "done.jsonl"
