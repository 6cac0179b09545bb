"""What plugins cost: a turn with ten against one without, turn about; and pings among bad ones."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench import chaos
from tests.bench.table import Env, Row
from tests.fakes.daemon_process import Peer, running
from tests.fakes.plugin_home import FOLDER

PLUGINS = 10
WARM_UP, TURNS = 20, 400
GOING_ON = 20
"""Turns of a conversation: its past is in memory, so plugins are all that is waited for."""


def run(env: Env) -> list[Row]:
    """Measure with an engine that answers at once: the rest of a turn is what it was."""
    with ExitStack() as at_end:
        with_them, without = _daemon(at_end, PLUGINS), _daemon(at_end, 0)
        _await_loaded(with_them)
        return [
            _overhead("", 1, with_them, without),
            _overhead(", in a conversation", GOING_ON, with_them, without),
            *chaos.measure(),
        ]


def _overhead(where: str, length: int, with_them: Peer, without: Peer) -> Row:
    """Compare two daemons in conversations of so many turns."""
    seconds: dict[Peer, list[float]] = {with_them: [], without: []}
    for n in range(WARM_UP + TURNS):
        session = f"talk-{length}-{n // length}"
        for peer in (with_them, without) if n % 2 else (without, with_them):
            took_s = _turn_s(peer, session)
            if n >= WARM_UP:
                seconds[peer].append(took_s)
    pairs_s = zip(seconds[with_them], seconds[without], strict=True)
    over_ms = statistics.median(with_s - without_s for with_s, without_s in pairs_s) * 1e3
    with_ms, without_ms = (statistics.median(took_s) * 1e3 for took_s in seconds.values())
    return Row(
        name=f"hook overhead per turn, {PLUGINS} plugins{where}",
        value=over_ms,
        unit="ms",
        bar="≤ 1 ms",
        ok=over_ms <= 1,
        note=f"median of {TURNS} pairs; medians {with_ms:.2f} ms with, {without_ms:.2f} without",
    )


def _daemon(at_end: ExitStack, count: int) -> Peer:
    """Run a daemon with so many plugins, each a module of its own; return a client of it."""
    folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
    names = [f"quiet_{n}" for n in range(count)]
    for name in names:
        shutil.copy(FOLDER / "fake_quiet.py", folder / f"{name}.py")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    config = f"memory: on\nplugins: {json.dumps({'enabled': names})}"
    return at_end.enter_context(running(folder, config, env={"PYTHONPATH": path}))[1]


def _await_loaded(peer: Peer) -> None:
    while {one["state"] for one in peer.ask("plugins.list")["plugins"] if one["enabled"]} != {"on"}:
        time.sleep(0.05)


def _turn_s(peer: Peer, session: str) -> float:
    """Take a turn that the engine answers with one word; "small talk" is nothing to learn."""
    begun_s = time.perf_counter()
    done = peer.say("small talk", session=session)
    took_s = time.perf_counter() - begun_s
    assert done["recorded"]
    return took_s
