"""Change ``plugins.enabled`` in a config.yaml and leave every other character as it is.

PyYAML tells where the list is written; only that piece of text is replaced. What comes out is
read again: it must say what the file said before, but for that list, or nothing is written.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from soul_client.errors import ConfigInvalid

SECTION, KEY = "plugins", "enabled"
_PLAIN = re.compile(r"[A-Za-z_][\w.-]*")
_INDENT = "  "


def enabled_in(values: dict[str, Any]) -> list[str]:
    """Return which plugins a config, already parsed, enables."""
    section = values.get(SECTION) or {}
    names = section.get(KEY) if isinstance(section, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def set_enabled(path: Path, name: str, *, enabled: bool) -> bool:
    """Add a plugin to the list of a config file, or take it out; False if it is so already.

    Raises:
        ConfigInvalid: the file is not YAML, cannot be written, or its list is written in a way
            that cannot be changed in place.
    """
    path = path.resolve()  # a link stays a link
    try:
        text = path.read_bytes().decode("utf-8")
        before = yaml.safe_load(text)
        if not _can_be_changed(before):
            raise ConfigInvalid(f"{path} is no config: 'soul config check' says why")
        names = enabled_in(before or {})
        if (name in names) is enabled:
            return False
        wanted = [*names, name] if enabled else [one for one in names if one != name]
        after = _edited(text, wanted)
        if not _is_only_change(before, yaml.safe_load(after), wanted):
            raise ConfigInvalid(
                f"{path}: {SECTION}.{KEY} cannot be changed in place; make it "
                f"[{', '.join(wanted)}] by hand"
            )
        _replace(path, after)
    except UnicodeDecodeError as e:
        raise ConfigInvalid(f"{path} is not UTF-8 text: {e.reason} at byte {e.start}") from e
    except yaml.YAMLError as e:
        raise ConfigInvalid(f"{path} is not valid YAML: {e}") from e
    except OSError as e:
        raise ConfigInvalid(f"{path} cannot be changed: {e.strerror}") from e
    return True


def _edited(text: str, wanted: Sequence[str]) -> str:
    """Return the text with another list of enabled plugins."""
    flow = f"[{', '.join(map(_scalar, wanted))}]"
    end = "\r\n" if "\r\n" in text else "\n"
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    section = _value(root, SECTION)
    if section is None:
        gap = "" if not text or text.endswith("\n") else end
        return f"{text}{gap}{end}{SECTION}:{end}{_INDENT}{KEY}: {flow}{end}"
    if not isinstance(section, yaml.MappingNode):  # the key is there, and nothing in it
        return _spliced(text, section, f"{end}{_INDENT}{KEY}: {flow}")
    value = _value(section, KEY)
    if isinstance(value, yaml.SequenceNode) and not value.flow_style:
        return _edited_block(text, value, wanted, end)
    if value is not None:
        return _spliced(text, value, flow)
    first = section.value[0][0] if section.value else None
    if section.flow_style:
        inside = f"{KEY}: {flow}" + (", " if first else "")
        at = section.start_mark.index + 1
        return text[:at] + inside + text[at:]
    assert first is not None
    at = first.start_mark.index
    return f"{text[:at]}{KEY}: {flow}{end}{' ' * first.start_mark.column}{text[at:]}"


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
    lines[last] += "".join(f"{dash}{_scalar(name)}{end}" for name in wanted if name not in had)
    for item in value.value:
        if str(item.value) not in wanted:
            line = item.start_mark.line
            lines[line] = lines[line].partition("\n")[2]
    if not wanted:
        above = next(n for n in range(value.start_mark.line, -1, -1) if f"{KEY}:" in lines[n])
        lines[above] = lines[above].replace(f"{KEY}:", f"{KEY}: []", 1)
    return "".join(lines)


def _spliced(text: str, node: yaml.Node, new: str) -> str:
    """Replace a node's text. A block ends where the next thing begins: what is between stays."""
    start, stop = node.start_mark.index, node.end_mark.index
    old = text[start:stop]
    rest = old[len(old.rstrip()) :]
    if start == stop and new[:1] not in "\r\n":  # `enabled:` and nothing after it
        new = f" {new}" if text[start - 1 : start] == ":" else new
    return text[:start] + new + rest + text[stop:]


def _value(node: yaml.Node | None, key: str) -> Any:
    """Return the node of a key's value; None without it."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _scalar(name: str) -> str:
    """Return a name as YAML: quoted where it could be read as something else."""
    is_text = _PLAIN.fullmatch(name) and isinstance(yaml.safe_load(name), str)
    return name if is_text else "'" + name.replace("'", "''") + "'"


def _can_be_changed(values: Any) -> bool:
    """Tell whether it is what a config is made of: keys, and keys in the section too."""
    section = values.get(SECTION) if isinstance(values, dict) else values
    return section is None or (isinstance(values, dict) and isinstance(section, dict))


def _is_only_change(before: Any, after: Any, wanted: Sequence[str]) -> bool:
    before = before or {}
    section = {**(before.get(SECTION) or {}), KEY: list(wanted)}
    return bool(after == {**before, SECTION: section})


def _replace(path: Path, text: str) -> None:
    """Write a file anew, all of it or nothing, open to whom it was open."""
    mode = path.stat().st_mode & 0o777
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
