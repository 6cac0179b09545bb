"""The fingerprint of a body: sha256 over architecture, weights and tokenizer.

It binds souls to bodies, so it must never change for the same body: it is taken over what
the files say, not over what our code makes of it. The chat template and the division into
shards are left out. No torch here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from sould.engine.formats.stored import StoredTensor

log = logging.getLogger(__name__)

CACHE_FILE = "fingerprints.json"
_VERSION = b"bit-ttt body 1"
_CHUNK_BYTES = 1 << 20


def fingerprint(
    architecture: Iterable[bytes],
    tensors: Mapping[str, StoredTensor],
    tokenizer: Iterable[bytes],
) -> str:
    """Return the hex digest; streams the weights."""
    digest = hashlib.sha256(_VERSION)
    for part in architecture:
        _add(digest, part)
    for role in sorted(tensors):
        tensor = tensors[role]
        _add(digest, f"{role} {tensor.dtype} {tensor.shape}".encode())
        with tensor.file.open("rb", buffering=0) as file:
            file.seek(tensor.offset)
            left = tensor.nbytes
            while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                digest.update(chunk)
                left -= len(chunk)
    for part in tokenizer:
        _add(digest, part)
    return digest.hexdigest()


def recall(cache_dir: Path, body: Path, files: Iterable[Path]) -> str | None:
    """Return the fingerprint kept for ``body``, if none of its files changed since."""
    kept = _read_cache(cache_dir).get(str(body.resolve()))
    if isinstance(kept, dict) and kept.get("files") == _stamps(files):
        value = kept.get("fingerprint")
        return value if isinstance(value, str) else None
    return None


def remember(cache_dir: Path, body: Path, files: Iterable[Path], value: str) -> None:
    """Keep the fingerprint of ``body`` with the sizes and times of its files."""
    cache = _read_cache(cache_dir)
    cache[str(body.resolve())] = {"files": _stamps(files), "fingerprint": value}
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=cache_dir, delete=False, encoding="utf-8") as file:
        json.dump(cache, file, indent=1)
    Path(file.name).replace(cache_dir / CACHE_FILE)


def _add(digest: hashlib._Hash, part: bytes) -> None:
    digest.update(len(part).to_bytes(8, "little"))
    digest.update(part)


def _stamps(files: Iterable[Path]) -> list[list[object]]:
    stats = [(file.resolve(), file.stat()) for file in sorted(set(files))]
    return [[str(path), stat.st_size, stat.st_mtime_ns] for path, stat in stats]


def _read_cache(cache_dir: Path) -> dict[str, object]:
    path = cache_dir / CACHE_FILE
    try:
        cache = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        log.warning("fingerprint cache %s is unreadable (%s); fingerprints are made anew", path, e)
        return {}
    return cache if isinstance(cache, dict) else {}
