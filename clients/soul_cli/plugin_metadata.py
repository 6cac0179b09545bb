"""What the distribution of a plugin says about it, read without importing anything of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import metadata
from importlib.machinery import PathFinder

GROUP = "bit_ttt.plugins"


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """``target``: what the daemon imports. The rest is "" where the distribution does not say."""

    target: str
    summary: str = ""
    author: str = ""
    licence: str = ""
    home_page: str = ""
    needs: list[str] = field(default_factory=list)


def read_metadata(name: str) -> Metadata | None:
    """Return what there is to say about a plugin, or a module used as one; None: there is none."""
    for entry in metadata.entry_points(group=GROUP, name=name):
        target = entry.value.replace(" ", "")
        return _of(target, entry.dist.metadata) if entry.dist else Metadata(target=target)
    is_module = PathFinder.find_spec(name.partition(".")[0]) is not None
    return Metadata(target=name) if is_module else None


def _of(target: str, said: metadata.PackageMetadata) -> Metadata:
    values = said.json
    urls = [str(url).partition(", ")[2] for url in values.get("project_url", [])]
    return Metadata(
        target=target,
        summary=_text(values.get("summary")),
        author=_text(values.get("author") or values.get("author_email")),
        licence=_text(values.get("license_expression") or values.get("license")),
        home_page=_text(values.get("home_page")) or next(iter(urls), ""),
        needs=[str(one) for one in values.get("requires_dist", []) if "extra ==" not in str(one)],
    )


def _text(value: object) -> str:
    """Return one line of text: a distribution may say anything."""
    return " ".join(str(value).split()) if value else ""
