"""How soon the daemon answers while plugins raise, exit, hang, leak and die."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path

from soul_client.wire import Connection, Kind
from tests.bench.table import Row
from tests.bench.workplace import percentile
from tests.fakes.daemon_process import Peer, running
from tests.fakes.plugin_home import with_plugins

BAD = ("raises", "exits", "blocks", "stubborn", "stuck", "leaks", "dies", "dies_early")
"""Each with a daemon of its own, as one that takes the host with it keeps the next from running."""
MEMORY_MB = 256
EVERY_S = 0.002
AFTER_S = 1.0
"""Pings go on for so long once the plugin is disabled."""
LONGEST_S = 60
BAR_MS = 50


def measure() -> list[Row]:
    """Ping without a pause, from before plugins are loaded until they are given up."""
    pings_s = {f"fake_{bad}": _pings_s(f"fake_{bad}") for bad in BAD}
    every_s = [one_s for some_s in pings_s.values() for one_s in some_s]
    worst = max(pings_s, key=lambda bad: max(pings_s[bad]))
    slowest_ms, p99_ms = max(every_s) * 1e3, percentile(every_s, 0.99) * 1e3
    name = "ping while plugins raise, exit, hang, leak"
    return [
        Row(
            name=f"{name}, slowest",
            value=slowest_ms,
            unit="ms",
            bar=f"≤ {BAR_MS} ms",
            ok=slowest_ms <= BAR_MS,
            note=f"of {len(every_s):,}, with {worst}",
        ),
        Row(name=f"{name}, p99", value=p99_ms, unit="ms", note=", ".join(pings_s)),
    ]


def _pings_s(bad: str) -> list[float]:
    plugins = {"enabled": [bad, "fake_note"], "memory_mb": MEMORY_MB}
    config = f"memory: on\nplugins: {json.dumps(plugins)}"
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        running(Path(folder), config, env=with_plugins()) as (_, peer),
        _Pinging(peer.connection) as pinging,
    ):
        until_s = time.monotonic() + LONGEST_S
        while not _is_disabled(peer, bad):
            if time.monotonic() > until_s:
                raise RuntimeError(f"{bad} was not disabled within {LONGEST_S} s")
            peer.say("small talk")
        time.sleep(AFTER_S)
    return pinging.taken_s


class _Pinging:
    """A client of its own that does nothing else, in a thread."""

    def __init__(self, connection: Connection) -> None:
        self.taken_s: list[float] = []
        self._connection = connection
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> _Pinging:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        peer = Peer(self._connection)
        while not self._is_over.wait(EVERY_S):
            begun_s = time.perf_counter()
            peer.control(Kind.PING)
            self.taken_s.append(time.perf_counter() - begun_s)
        peer.close()


def _is_disabled(peer: Peer, name: str) -> bool:
    listed = peer.ask("plugins.list")["plugins"]
    return any((one["name"], one["state"]) == (name, "disabled") for one in listed)
