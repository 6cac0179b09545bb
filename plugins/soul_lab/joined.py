"""A script or a style sheet with all that it imports, as one file: it loads in one go.

Our own files only, which import and export in a few plain ways; the files stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(r'^import (?:(?P<all>\w+)|(?P<some>\{[^}]*\})) from "(?P<path>[^"]+)";$', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:class|function|const) (?P<name>\w+))", re.M)
_DEFAULT = re.compile(r"^export default ", re.M)
_SHEET = re.compile(r'^@import "(?P<path>[^"]+)";$', re.M)
_LEFT = re.compile(r"^(?:import|export|@import)\b.*", re.M)


def join_script(entry: Path) -> str:
    """Return a module and those it imports, each a function that is called once: its names stay
    its own, and what it exports is the value.

    Raises:
        ValueError: an import or export of another kind, or modules that import each other.
    """
    values: dict[Path, str] = {}
    return "".join(_modules(entry.resolve(), values, ()))


def join_style(entry: Path) -> str:
    """Return a style sheet with those that it imports in their place.

    Raises:
        ValueError: an import of another kind.
    """
    source = entry.read_text("utf-8")
    joined = _SHEET.sub(lambda found: join_style(entry.parent / found["path"]), source)
    _require_none_left(entry, joined)
    return joined


def _modules(path: Path, values: dict[Path, str], above: tuple[Path, ...]) -> list[str]:
    """Return the modules that are not there yet, in the order in which they are to run; notes in
    ``values`` by which name the exports of each are known.
    """
    if path in above:
        raise ValueError(f"{path} imports itself by way of {above[-1].name}")
    if path in values:
        return []
    source = path.read_text("utf-8")
    needed = [(path.parent / found["path"]).resolve() for found in _IMPORT.finditer(source)]
    before = [module for one in needed for module in _modules(one, values, (*above, path))]
    values[path] = f"${len(values)}"
    return [*before, _as_function(path, source, values)]


def _as_function(path: Path, source: str, values: dict[Path, str]) -> str:
    def taken(found: re.Match[str]) -> str:
        value = values[(path.parent / found["path"]).resolve()]
        names = found["some"] or f"{{ default: {found['all']} }}"
        return f"const {names.replace(' as ', ': ')} = {value};"

    exports = [found["name"] for found in _EXPORT.finditer(source)]
    if _DEFAULT.search(source):
        exports.append("default: $default")
    body = _DEFAULT.sub("const $default = ", _EXPORT.sub("", _IMPORT.sub(taken, source)))
    _require_none_left(path, body)
    given = f"return {{ {', '.join(exports)} }};\n"
    return f"// {path.name}\nconst {values[path]} = (() => {{\n{body}{given}}})();\n"


def _require_none_left(path: Path, joined: str) -> None:
    if left := _LEFT.search(joined):
        raise ValueError(f"{path} cannot be joined with what it imports: {left[0]!r}")
