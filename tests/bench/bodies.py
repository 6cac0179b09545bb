"""What lies in ``models/``: looking at a thousand bodies, hearing of one more, and watching."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from soul_client import launch
from soul_client.client import Client
from soul_client.subscription import Subscription
from sould.bodystore.registry import Registry
from sould.bodystore.sighting import sight
from tests.bench.table import Env, Row

BODIES = 1000
RUNS = 9
IDLE_S = 60.0
TIMEOUT_S = 10.0
GGUF = b"GGUF" + bytes(60)


def run(env: Env) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        models = folder / "models"
        models.mkdir()
        for number in range(BODIES):
            (models / f"body-{number:04}.gguf").write_bytes(GGUF)
        return [_scan(models), *_watched(folder, models)]


def _scan(models: Path) -> Row:
    """From nothing to a registry that knows all."""
    seconds = []
    for _ in range(RUNS):
        start_s = time.perf_counter()
        changes, _ = Registry().handle(sight(models), now_s=0, wall_s=time.time() + 1)
        seconds.append(time.perf_counter() - start_s)
        assert len(changes) == BODIES
    return _judged(f"scan of {BODIES:,} bodies", statistics.median(seconds), "s", 1)


def _watched(folder: Path, models: Path) -> Iterator[Row]:
    with _daemon(folder) as client, client.events() as events:
        pid = client.status().pid
        _await(lambda: (now := client.status().watched) is not None and now.models == "notices")
        client.body_list()
        yield _event("a body written", events, lambda path: path.write_bytes(GGUF), models)
        yield _event("a body moved in", events, lambda path: _move_in(path, folder), models)
        yield _stop_signal(folder)
        yield _idle(pid)


def _event(what: str, events: Subscription, place: Callable[[Path], object], models: Path) -> Row:
    """From the last byte of one more body until a client has heard of it."""
    seconds = []
    for number in range(RUNS):
        path = models / f"{what.split()[-1]}-{number}.gguf"
        start_s = time.perf_counter()
        place(path)
        while (seen := events.read(TIMEOUT_S)) is not None:
            changes = seen.event.data.get("changes", [])
            if any(change["name"] == path.stem for change in changes):
                break
        assert seen is not None
        seconds.append(time.perf_counter() - start_s)
    name = f"{what} beside {BODIES:,} → event, slowest of {RUNS}"
    return _judged(name, max(seconds), "s", 1)


def _move_in(path: Path, folder: Path) -> None:
    draft = folder / path.name
    draft.write_bytes(GGUF)
    draft.rename(path)


def _stop_signal(folder: Path) -> Row:
    """From the last byte of the file until it is removed, which is when it is obeyed."""
    seconds = []
    path = folder / "workspace" / "stop_signal"
    for _ in range(RUNS):
        path.write_text("all")
        start_s = time.perf_counter()
        _await(lambda: not path.exists())
        seconds.append(time.perf_counter() - start_s)
    return _judged(f"stop_signal → obeyed, slowest of {RUNS}", max(seconds) * 1e3, "ms", 200)


def _idle(pid: int) -> Row:
    """What the supervisor computes while nobody wants anything."""
    process = psutil.Process(pid)
    time.sleep(2)
    before = process.cpu_times()
    time.sleep(IDLE_S)
    after = process.cpu_times()
    spent_s = after.user + after.system - before.user - before.system
    share = 100 * spent_s / IDLE_S
    return _judged(f"idle daemon that watches, CPU over {IDLE_S:g} s", share, "%", 0.5)


@contextmanager
def _daemon(folder: Path) -> Iterator[Client]:
    config = folder / "config.yaml"
    config.write_text("bit_ttt: 1\nruntime_dir: run\n")
    connection = launch.ensure_running(config)
    with Client(config) as client:
        try:
            yield client
        finally:
            client.shutdown()
            launch.wait_until_gone(connection, timeout_s=15)


def _await(holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.001)


def _judged(name: str, value: float, unit: str, limit: float) -> Row:
    return Row(name=name, value=value, unit=unit, bar=f"≤ {limit:g} {unit}", ok=value <= limit)
