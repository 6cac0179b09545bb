"""A real daemon with the default body, in a folder of its own, for benchmarks to talk to."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from soul_client import launch
from soul_client.client import Client
from tests.bench.table import Env


def write_config(folder: Path, env: Env) -> Path:
    """Write a config that uses the benchmark's body, threads and kernels."""
    path = folder / "config.yaml"
    path.write_text(
        f"bit_ttt: 1\nruntime_dir: run\nmodels: {env.body.parent}\n"
        f"body:\n  name: {env.body.stem}\n  threads: {env.threads}\n"
    )
    cache = folder / "workspace" / "cache"
    cache.parent.mkdir()
    env.cache_dir.mkdir(parents=True, exist_ok=True)
    cache.symlink_to(env.cache_dir)
    return path


@contextmanager
def workplace(env: Env) -> Iterator[Client]:
    """Run a daemon, and end it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = write_config(Path(folder), env)
        connection = launch.ensure_running(config)
        with Client(config) as client:
            try:
                yield client
            finally:
                client.shutdown()
                launch.wait_until_gone(connection, timeout_s=15)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median_ms(values_s: Sequence[float]) -> float:
    return statistics.median(values_s) * 1e3
