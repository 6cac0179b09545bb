"""Getting ready: the command, the daemon, its memory, the body."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from soul_client import locate
from soul_client.client import Client
from soul_client.errors import NotRunning
from tests.bench.table import Env, Row
from tests.bench.workplace import workplace, write_config

RUNS = 9
LOADS = 5


def run(env: Env) -> list[Row]:
    return [_version(), _ready(env), *_memory_and_load(env)]


def _version() -> Row:
    soul = Path(sys.executable).with_name("soul")
    seconds = [_timed([str(soul), "--version"]) for _ in range(RUNS + 1)][1:]
    return _judged("soul --version", statistics.median(seconds) * 1e3, "ms", 150)


def _ready(env: Env) -> Row:
    """From exec until a client has had an answer."""
    seconds = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            config = write_config(Path(folder), env)
            start_s = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "sould", "--config", str(config)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            with _first_client(config) as client:
                client.ping()
                seconds.append(time.perf_counter() - start_s)
                client.shutdown()
            process.wait(15)
    return _judged("daemon ready for connections", statistics.median(seconds), "s", 0.6)


def _memory_and_load(env: Env) -> list[Row]:
    loads_s = []
    with workplace(env) as client:
        for _ in range(LOADS + 1):
            start_s = time.perf_counter()
            loaded = client.body_load()
            loads_s.append(time.perf_counter() - start_s)
            client.body_unload()
        status = client.status()
        maps = Path(f"/proc/{status.pid}/maps")
        has_torch = maps.is_file() and "libtorch" in maps.read_text()
    memory_mb = status.memory_bytes / 1e6
    return [
        Row(
            name="supervisor memory, idle",
            value=memory_mb,
            unit="MB",
            bar="≤ 60 MB, no torch",
            ok=memory_mb <= 60 and not has_torch,
            note="torch is mapped" if has_torch else "torch is not mapped",
        ),
        _judged("load of the body, engine start included", statistics.median(loads_s[1:]), "s", 3),
        Row(name="engine memory after a load", value=loaded.memory_bytes / 1e6, unit="MB"),
    ]


def _first_client(config: Path) -> Client:
    while True:
        try:
            return Client(connection=locate.read_connection(config))
        except NotRunning:
            time.sleep(0.002)


def _timed(command: Sequence[str]) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start_s


def _judged(name: str, value: float, unit: str, limit: float) -> Row:
    return Row(name=name, value=value, unit=unit, bar=f"≤ {limit} {unit}", ok=value <= limit)
