"""Which plugins there are: read from the metadata of what is installed, importing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from msgspec import Struct

GROUP = "bit_ttt.plugins"


class Found(Struct, frozen=True, kw_only=True):
    """A plugin. ``target``: what is to be imported. ``source``: where it comes from, for people.

    ``problem``: why it cannot even be tried.
    """

    name: str
    target: str
    source: str
    version: str = ""
    problem: str = ""


def installed() -> dict[str, Found]:
    """Return the plugins that installed distributions declare, by name. Blocking."""
    found: dict[str, Found] = {}
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        source = entry.dist.name if entry.dist else ""
        one = Found(
            name=entry.name,
            target=entry.value.replace(" ", ""),
            source=source,
            version=entry.dist.version if entry.dist else "",
        )
        other = found.get(entry.name)
        if other is not None and (other.target, other.source) != (one.target, one.source):
            problem = f"both {other.source} and {source} call a plugin so; remove one of them"
            one = Found(name=entry.name, target="", source=source, problem=problem)
        found[entry.name] = one
    return found


def resolve(enabled: Sequence[str], known: dict[str, Found]) -> list[Found]:
    """Return what is enabled, in that order: a plugin that is installed, else a module. Pure."""
    return [known.get(name) or Found(name=name, target=name, source="module") for name in enabled]
