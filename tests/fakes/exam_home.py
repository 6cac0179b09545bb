"""A home for an exam whose daemon has the fake engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.exam.home import Home
from tests.fakes.daemon_process import DaemonProcess, write_config


class FakeHome(Home):
    """Whatever is asked there is an order to the fake engine."""

    daemon: DaemonProcess | None = None

    def start(self) -> None:
        self.close()
        self.daemon = DaemonProcess(self.config)
        self.daemon.await_ready()

    def close(self) -> None:
        """End the daemon, however it is."""
        if self.daemon:
            self.daemon.close()


@contextmanager
def fake_home(folder: Path) -> Iterator[FakeHome]:
    """Write a config and start the daemon; end whichever runs on the way out."""
    home = FakeHome(write_config(folder))
    try:
        home.start()
        yield home
    finally:
        home.close()
