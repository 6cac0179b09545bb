"""Change ``plugins.enabled`` in a config.yaml; a list that has a line for each keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from soul_client.config_edit import node_at, replaced, rewrite, spelled

SECTION, KEY = "plugins", "enabled"
_ENABLED = f"{SECTION}.{KEY}"


def enabled_in(values: dict[str, Any]) -> list[str]:
    """Return which plugins a config, already parsed, enables."""
    section = values.get(SECTION) or {}
    return _names(section.get(KEY) if isinstance(section, dict) else None)


def set_enabled(path: Path, name: str, *, enabled: bool) -> bool:
    """Add a plugin to the list of a config file, or take it out; False if it is so already.

    Raises:
        ConfigInvalid: the file is not YAML, cannot be written, or its list is written in a way
            that cannot be changed in place.
    """

    def change(old: Any) -> Any:
        names = _names(old)
        if (name in names) is enabled:
            return old
        return [*names, name] if enabled else [one for one in names if one != name]

    return rewrite(path, _ENABLED, change, _edited)


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []


def _edited(text: str, wanted: Sequence[str]) -> str:
    """Return the text with another list of enabled plugins."""
    value = node_at(yaml.compose(text, Loader=yaml.SafeLoader), _ENABLED)
    if isinstance(value, yaml.SequenceNode) and not value.flow_style:
        return _edited_block(text, value, wanted, "\r\n" if "\r\n" in text else "\n")
    return replaced(text, _ENABLED, spelled(list(wanted)))


def _edited_block(text: str, value: yaml.SequenceNode, wanted: Sequence[str], end: str) -> str:
    """Take out the lines of items that leave; put those that come after the last one. Where none
    stays, the key gets an empty list.
    """
    lines = text.splitlines(keepends=True)
    had = [str(item.value) for item in value.value]
    dash = " " * value.start_mark.column + "- "
    last = value.value[-1].start_mark.line
    if not lines[last].endswith("\n"):
        lines[last] += end
    lines[last] += "".join(f"{dash}{spelled(name)}{end}" for name in wanted if name not in had)
    for item in value.value:
        if str(item.value) not in wanted:
            line = item.start_mark.line
            lines[line] = lines[line].partition("\n")[2]
    if not wanted:
        above = next(n for n in range(value.start_mark.line, -1, -1) if f"{KEY}:" in lines[n])
        lines[above] = lines[above].replace(f"{KEY}:", f"{KEY}: []", 1)
    return "".join(lines)
