"""A home for a daemon under test: a config that uses a tiny body, loaded in a moment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

TINY_BODY = "tiny"
CONTEXT_TOKENS = 1024


def write_home(folder: Path, body: Path, config: Mapping[str, Any]) -> Path:
    """Write the config of a daemon that lives in ``folder`` and has ``body``; return its path.

    ``config``: keys of config.yaml that are to differ.
    """
    values: dict[str, Any] = {
        "bit_ttt": 1,
        "models": str(body.parent),
        "body": {"name": body.name, "device": "cpu", "kernel": "torch", "threads": 1},
        "chat": {"max_tokens": 32},
    }
    for key, value in config.items():
        is_section = isinstance(value, Mapping) and isinstance(values.get(key), dict)
        values[key] = {**values[key], **value} if is_section else value
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), "utf-8")
    return path
