"""Change one value of a config.yaml and leave every other character as it is.

PyYAML tells where the value is written; only that piece of text is replaced. What comes out is
read again: it must say what the file said before, but for that value, or nothing is written.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from soul_client.errors import ConfigInvalid

_INDENT = "  "


def set_value(
    path: Path, key: str, value: Any, *, check: Callable[[str], object] = lambda text: None
) -> bool:
    """Give a key (``memory``, ``chat.top_k``) another value; False if it is written so already.

    Raises: as :func:`rewrite`.
    """

    def spell(text: str, value: Any) -> str:
        return replaced(text, key, spelled(value))

    return rewrite(path, key, lambda old: value, spell, check=check)


def rewrite(
    path: Path,
    key: str,
    change: Callable[[Any], Any],
    spell: Callable[[str, Any], str],
    *,
    check: Callable[[str], object] = lambda text: None,
) -> bool:
    """Write a config file anew with another value of a key, or not at all; False if it is so
    already. ``change`` makes the new value of the old one, None where there is none; ``spell``
    the new text of the old one and that value; ``check`` is given it before it is written.

    Raises:
        ConfigInvalid: the file is not YAML, cannot be written (caused by an OSError then), or is
            written in a way that cannot be changed in place.
        Whatever ``check`` raises.
    """
    path = path.resolve()  # a link stays a link
    try:
        text = path.read_bytes().decode("utf-8")
        before = yaml.safe_load(text)
        if not _can_be_changed(before, key):
            raise ConfigInvalid(f"{path} is no config: 'soul config check' says why")
        is_there, old = _at(before, key)
        wanted = change(old)
        if wanted is old or (is_there and (type(old), old) == (type(wanted), wanted)):
            return False
        after = spell(text, wanted)
    except UnicodeDecodeError as e:
        raise ConfigInvalid(f"{path} is not UTF-8 text: {e.reason} at byte {e.start}") from e
    except yaml.YAMLError as e:
        raise ConfigInvalid(f"{path} is not valid YAML: {e}") from e
    except OSError as e:
        raise ConfigInvalid(f"{path} cannot be read: {e.strerror}") from e
    if not _says(after, _with(before, key, wanted)):
        raise ConfigInvalid(
            f"{path}: {key} cannot be changed in place; make it {spelled(wanted)} by hand"
        )
    check(after)
    try:
        _replace(path, after)
    except OSError as e:
        raise ConfigInvalid(f"{path} cannot be changed: {e.strerror}") from e
    return True


def replaced(text: str, key: str, new: str) -> str:
    """Return the text with another value of a key, in one line. Pure."""
    end = "\r\n" if "\r\n" in text else "\n"
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    section, _, name = key.rpartition(".")
    inside = node_at(root, section) if section else root
    if (value := node_at(root, key)) is not None:
        return _spliced(text, value, new)
    gap = "" if not text or text.endswith("\n") else end
    if not section:
        return f"{text}{gap}{name}: {new}{end}"
    if inside is None:
        return f"{text}{gap}{end}{section}:{end}{_INDENT}{name}: {new}{end}"
    if not isinstance(inside, yaml.MappingNode):  # the key is there, and nothing in it
        return _spliced(text, inside, f"{end}{_INDENT}{name}: {new}")
    first = inside.value[0][0] if inside.value else None
    if inside.flow_style:
        pair = f"{name}: {new}" + (", " if first else "")
        at = inside.start_mark.index + 1
        return text[:at] + pair + text[at:]
    assert first is not None
    at = first.start_mark.index
    return f"{text[:at]}{name}: {new}{end}{' ' * first.start_mark.column}{text[at:]}"


def node_at(root: yaml.Node | None, key: str) -> Any:
    """Return the node of a key's value; None without it. Pure."""
    node = root
    for part in key.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for name, value in pairs if name.value == part), None)
    return node


def spelled(value: Any) -> str:
    """Return a value as YAML in one line: a switch as on or off, a text in quotes where it could
    be read as something else. Pure.
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    for style in (None, '"'):
        text = yaml.safe_dump(
            [value],
            allow_unicode=True,
            default_flow_style=True,
            default_style=style,
            width=sys.maxsize,
        )
        if "\n" not in text.rstrip("\n"):
            break
    return text.rstrip("\n")[1:-1]


def _spliced(text: str, node: yaml.Node, new: str) -> str:
    """Replace a node's text. A block ends where the next thing begins: what is between stays."""
    start, stop = node.start_mark.index, node.end_mark.index
    old = text[start:stop]
    rest = old[len(old.rstrip()) :]
    if start == stop and new[:1] not in "\r\n":  # `enabled:` and nothing after it
        new = f" {new}" if text[start - 1 : start] == ":" else new
    return text[:start] + new + rest + text[stop:]


def _can_be_changed(values: Any, key: str) -> bool:
    """Tell whether it is what a config is made of: keys, and keys in the section too."""
    section = key.rpartition(".")[0]
    inside = values.get(section) if section and isinstance(values, dict) else None
    return values is None or (
        isinstance(values, dict) and (inside is None or isinstance(inside, dict))
    )


def _at(values: Any, key: str) -> tuple[bool, Any]:
    """Return whether a key is there, and its value."""
    section, _, name = key.rpartition(".")
    inside = (values or {}).get(section) if section else values
    return name in (inside or {}), (inside or {}).get(name)


def _with(values: Any, key: str, value: Any) -> Any:
    section, _, name = key.rpartition(".")
    values = values or {}
    if not section:
        return {**values, name: value}
    return {**values, section: {**(values.get(section) or {}), name: value}}


def _says(text: str, values: Any) -> bool:
    try:
        return bool(yaml.safe_load(text) == values)
    except yaml.YAMLError:
        return False


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
