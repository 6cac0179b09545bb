"""How a body is to be loaded, as the config says."""

from __future__ import annotations

from soul_client.wire import BodyEntry
from sould.bridge import Load
from sould.config import Config, parse_size


def load_order(config: Config, entry: BodyEntry) -> Load:
    """Return what the engine is asked for."""
    body = config.body
    return Load(
        name=entry.name,
        path=entry.path,
        cache_dir=str(config.cache_dir),
        device=body.device,
        dtype=body.dtype,
        kernel=body.kernel,
        threads=None if body.threads == "auto" else body.threads,
        context_tokens=None if body.context_tokens == "auto" else body.context_tokens,
        memory_budget_bytes=parse_size(body.memory_budget),
        vram_budget_bytes=parse_size(body.vram_budget),
        parallel=body.parallel,
    )
