"""What a soul file says about itself: the ``__metadata__``, text to text, and its types."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from sould.soulfile import limits
from sould.soulfile.jsontext import Unsound, parse, shown
from sould.soulfile.names import name_fault
from sould.soulfile.seal import NO_SEAL
from sould.soulfile.taught import pack, unpack

FORMAT = "bit-ttt-soul"
VERSION = "5"
STATE_VERSION = "2"  # of souls of native bodies
OLD_VERSIONS = ("1", "3", "4")  # read, and written as VERSION; 1 is without scopes

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True, kw_only=True)
class Dims:
    """Of the body: what the shapes of a soul's tensors follow from.

    ``state_rows``, ``state_cols``: of a native body, the states of a layer's heads one below the
    other; 0 for all others.
    """

    n_layers: int
    d_model: int
    d_ff: int
    state_rows: int = 0
    state_cols: int = 0

    @property
    def has_states(self) -> bool:
        return self.state_rows > 0

    def told(self) -> dict[str, int]:
        """Return the sizes that a file names."""
        return {key: value for key, value in vars(self).items() if value}


@dataclass(frozen=True, kw_only=True)
class BodyShape:
    """A body, as far as a soul must fit it."""

    fingerprint: str
    name: str
    dims: Dims


@dataclass(frozen=True, kw_only=True)
class SoulMeta:
    """The metadata of a soul file.

    ``created``: of the soul, ``saved``: of this file, both RFC 3339 with an offset. ``body``:
    fingerprint. ``level``: learned tokens, each diary record counted once, ever. ``parent``:
    the ``sha256`` of the soul file this one grew from, or "". ``taught``: ids of the diary
    records that taught it. ``config`` and ``scores``: what JSON can say, text keys. ``sha256``
    is the seal of the whole file, made on writing.
    """

    name: str
    created: str
    saved: str
    body: str
    body_name: str
    family: str
    dims: Dims
    level: int = 0
    parent: str = ""
    taught: frozenset[str] = frozenset()
    config: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = NO_SEAL


def encode(meta: SoulMeta) -> dict[str, str]:
    """Return the metadata as it is written, every key, in the order of FORMAT.md."""
    return {
        "format": FORMAT,
        "version": STATE_VERSION if meta.dims.has_states else VERSION,
        "name": meta.name,
        "created": meta.created,
        "saved": meta.saved,
        "body": meta.body,
        "body_name": meta.body_name,
        "family": meta.family,
        "dims": _json(meta.dims.told()),
        "level": str(meta.level),
        "parent": meta.parent,
        "taught": pack(meta.taught),
        "config": _json(meta.config),
        "scores": _json(meta.scores),
        "sha256": meta.sha256,
    }


def decode(metadata: Mapping[str, str]) -> tuple[SoulMeta | None, list[str]]:
    """Return the metadata of a file of our format with its types, or None and every fault."""
    version = metadata.get("version")
    known = sorted({*OLD_VERSIONS, STATE_VERSION, VERSION})
    if version not in known:
        some = f"{', '.join(known[:-1])} and {known[-1]}"
        return None, [f"metadata: version is {_quoted(version)}, this Bit-TTT reads {some}"]
    faults = [
        f"metadata: {shown(key)} is unknown"
        for key in metadata.keys() - _READERS.keys() - {"format", "version"}
    ]
    values: dict[str, Any] = {}
    for key, read in _READERS.items():
        if key not in metadata:
            faults.append(f"metadata: {key} is missing")
            continue
        try:
            values[key] = read(metadata[key])
        except Unsound as e:
            faults.append(f"metadata: {key} {e}")
    if not faults and values["dims"].has_states != (version == STATE_VERSION):
        faults.append(f"metadata: dims are not those of version {version}")
    return (None, sorted(faults)) if faults else (SoulMeta(**values), [])


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), separators=(",", ":"))


def _quoted(value: str | None) -> str:
    return "missing" if value is None else f"'{shown(value)}'"


def _name(text: str) -> str:
    if fault := name_fault(text):
        raise Unsound(fault)
    return text


def _moment(text: str) -> str:
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        datetime.fromisoformat(text)
    except ValueError as e:
        raise Unsound(f"{_quoted(text)} is no RFC 3339 time with an offset") from e
    return text


def _sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise Unsound(f"{_quoted(text)} is not 64 hex digits")
    return text


def _sha256_or_nothing(text: str) -> str:
    return _sha256(text) if text else ""


def _label(text: str) -> str:
    if not 0 < len(text) <= limits.MAX_LABEL_CHARS:
        raise Unsound(f"has {len(text)} characters, allowed are 1 to {limits.MAX_LABEL_CHARS}")
    if not text.isprintable():
        raise Unsound(f"{_quoted(text)} has characters that cannot be shown")
    return text


def level_of(text: str) -> int:
    """Return a level from its decimal digits.

    Raises:
        Unsound: it is none.
    """
    if not _NUMBER.fullmatch(text) or int(text) > limits.MAX_LEVEL:
        raise Unsound(f"{_quoted(text)} is no whole number from 0 to {limits.MAX_LEVEL}")
    return int(text)


def _dims(text: str) -> Dims:
    found = _object(text)
    most = {
        "n_layers": limits.MAX_LAYERS,
        "d_model": limits.MAX_WIDTH,
        "d_ff": limits.MAX_WIDTH,
    }
    states = {"state_rows": limits.MAX_WIDTH, "state_cols": limits.MAX_WIDTH}
    if found.keys() == most.keys() | states.keys():
        most |= states
    if found.keys() != most.keys():
        raise Unsound(f"does not hold exactly {', '.join(most)}, or those and {', '.join(states)}")
    for key, value in found.items():
        if type(value) is not int or not 1 <= value <= most[key]:
            raise Unsound(f"has {key} {_quoted(str(value))}, allowed are 1 to {most[key]}")
    return Dims(**found)


def _object(text: str) -> dict[str, Any]:
    if len(text) > limits.MAX_JSON_CHARS:
        raise Unsound(f"has {len(text)} characters, the limit is {limits.MAX_JSON_CHARS}")
    found = parse(
        text,
        depth=limits.MAX_JSON_DEPTH,
        items=limits.MAX_JSON_ITEMS,
        key_chars=limits.MAX_JSON_KEY_CHARS,
    )
    if not isinstance(found, dict):
        raise Unsound("is not a JSON object")
    return cast(dict[str, Any], found)


_READERS: dict[str, Callable[[str], Any]] = {
    "name": _name,
    "created": _moment,
    "saved": _moment,
    "body": _sha256,
    "body_name": _label,
    "family": _label,
    "dims": _dims,
    "level": level_of,
    "parent": _sha256_or_nothing,
    "taught": unpack,
    "config": _object,
    "scores": _object,
    "sha256": _sha256,
}
