"""The tiny random body that plugin authors get too, and how tests spoil it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sould.testing.tiny_body import (
    ARCHITECTURES,
    CHAT_TEMPLATE,
    END_OF_TEXT,
    IM_END,
    IM_START,
    SPECIAL,
    byte_alphabet,
    tiny_config,
    tiny_tensors,
    write_tiny_body,
)

__all__ = [
    "ARCHITECTURES",
    "CHAT_TEMPLATE",
    "END_OF_TEXT",
    "IM_END",
    "IM_START",
    "SPECIAL",
    "byte_alphabet",
    "edit_json",
    "tiny_config",
    "tiny_tensors",
    "write_tiny_body",
]


def edit_json(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file; ``...`` takes one out."""
    values = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in values.items() if value is not ...}
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")
