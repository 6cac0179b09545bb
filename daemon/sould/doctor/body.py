"""The configured body: there, whole, and not too large for this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

from soul_client import locate
from soul_client.errors import SoulError
from soul_client.findings import Finding, ok, problem, warning
from soul_client.wire import MemoryEstimate
from sould.bodystore.machine import memory_bytes
from sould.bodystore.scan import resolve
from sould.config import Config, parse_size
from sould.engine.bodyfile import BodyFile, open_body
from sould.engine.memory import estimate
from sould.errors import BodyInvalid, BodyMissing, StorageError


def body(config: Config) -> Iterator[Finding]:
    """Read the body's files as far as their headers go: what is in them must be all there."""
    name = config.body.name
    try:
        file = open_body(Path(resolve(config.models, name).path))
    except BodyMissing as e:
        yield problem("body", "body.missing", name=name, error=e.message)
        return
    except (BodyInvalid, StorageError) as e:
        yield problem("body", "body.invalid", name=name, error=e.message)
        return
    yield ok("body", "body.good", name=name, family=file.family, size_bytes=file.size_bytes)
    if not config.body.device.startswith("cuda"):
        yield _room(config, _estimate(config, file))


def _estimate(config: Config, file: BodyFile) -> MemoryEstimate:
    options = config.body
    return estimate(
        file,
        context_tokens=None if options.context_tokens == "auto" else options.context_tokens,
        dtype=options.dtype,
        parallel=options.parallel,
        budget_bytes=parse_size(options.memory_budget),
    )


def _room(config: Config, needed: MemoryEstimate) -> Finding:
    total, need = memory_bytes(), needed.total_bytes
    free = psutil.virtual_memory().available + _held_by_the_daemon(config)
    budget = parse_size(config.body.memory_budget)
    if need > total:
        return problem("memory", "memory.small", need_bytes=need, total_bytes=total)
    if budget is not None and need > budget:
        return problem("memory", "memory.budget", need_bytes=need, budget_bytes=budget)
    if need > free:
        return warning("memory", "memory.tight", need_bytes=need, free_bytes=free)
    return ok("memory", "memory.good", need_bytes=need, free_bytes=free)


def _held_by_the_daemon(config: Config) -> int:
    """Return what the running daemon's processes hold; a loaded body counts as free."""
    try:
        daemon = psutil.Process(locate.read_connection(config.path).pid)
        return sum(p.memory_info().rss for p in (daemon, *daemon.children(recursive=True)))
    except (SoulError, psutil.Error):
        return 0
