"""The pytest plugin: fixtures for tests of plugins.

::

    import pytest

    @pytest.fixture
    def daemon_config():
        return {"plugins": {"enabled": ["my_plugin"]}}

    def test_it_answers(client):
        assert client.ask("Hello").recorded
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from soul_client.client import Client
    from sould.testing.daemon_process import DaemonProcess


@pytest.fixture(scope="session")
def tiny_body(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A body of two small layers with random weights: what it says is noise, at once."""
    from sould.testing.home import CONTEXT_TOKENS, TINY_BODY
    from sould.testing.tiny_body import write_tiny_body

    folder = tmp_path_factory.mktemp("models") / TINY_BODY
    return write_tiny_body(folder, max_position_embeddings=CONTEXT_TOKENS)


@pytest.fixture
def daemon_config() -> dict[str, Any]:
    """Keys of config.yaml that the daemon is to have. Override it: which plugins are enabled."""
    return {}


@pytest.fixture
def daemon(
    tmp_path_factory: pytest.TempPathFactory, tiny_body: Path, daemon_config: dict[str, Any]
) -> Iterator[DaemonProcess]:
    """A daemon of its own for a test, in a folder of its own, with the tiny body.

    It finds the modules that the test finds, and its plugins are at work. ``daemon.workspace`` is
    where its files are, ``daemon.log()`` what it logged.
    """
    import os
    import sys

    from sould.testing.daemon_process import DaemonProcess
    from sould.testing.home import write_home

    config = write_home(tmp_path_factory.mktemp("daemon"), tiny_body, daemon_config)
    path = os.pathsep.join(filter(None, sys.path))
    process = DaemonProcess(config, environ={"PYTHONPATH": path})
    try:
        process.await_ready()
        process.await_plugins()
        yield process
        if process.process.poll() is None:
            process.terminate()
    finally:
        process.close()


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[Client]:
    """A client of that daemon."""
    from soul_client.client import Client

    with Client(daemon.config, name="test") as client:
        yield client
