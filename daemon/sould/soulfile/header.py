"""A soul file without its weights: listed, checked, fitted to a body. Needs no numpy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from sould.errors import SoulInvalid, SoulMismatch, SoulMissing
from sould.soulfile.container import Header, parse_header
from sould.soulfile.jsontext import Unsound
from sould.soulfile.layout import table_faults
from sould.soulfile.meta import BodyShape, SoulMeta, decode
from sould.soulfile.recognise import Kind, kind_of
from sould.soulfile.seal import seal_fault

MAX_FAULTS = 20

_CHUNK_BYTES = 1 << 20


def read_header(path: Path) -> SoulMeta:
    """Return what a soul file says about itself, all of it checked; no weight is read.

    Whether the file is damaged, only its seal can tell: see :func:`check_seal`.

    Raises:
        SoulMissing: no such file.
        SoulInvalid: no soul of ours, or unsound; the message says why.
    """
    with reading(path) as file:
        return _sound(path, parse_header(file))


def check_seal(path: Path) -> SoulMeta:
    """Read all of a soul file; return its metadata if not one bit of it has changed.

    Raises:
        SoulMissing: no such file.
        SoulInvalid: as :func:`read_header`, or the seal is broken.
    """
    with reading(path) as file:
        return sealed(path, file)[0]


def sealed(path: Path, file: BinaryIO) -> tuple[SoulMeta, Header]:
    """Check the header and the seal of an open file, named ``path`` in errors.

    Raises:
        Unsound, SoulInvalid: as :func:`check_seal` says.
    """
    header = parse_header(file)
    meta = _sound(path, header)
    if fault := seal_fault(header.text, meta.sha256, chunks(file, header.data_bytes)):
        raise Unsound(fault)
    return meta, header


def chunks(file: BinaryIO, count: int) -> Iterator[bytes]:
    """Yield the next ``count`` bytes of a file, or what there is of them, in pieces."""
    while count and (piece := file.read(min(count, _CHUNK_BYTES))):
        count -= len(piece)
        yield piece


def recognise(path: Path) -> Kind:
    """Tell by its header which program a file is from, whatever its size.

    Raises:
        SoulMissing: no such file.
        SoulInvalid: no sound safetensors file.
    """
    with reading(path) as file:
        header = parse_header(file)
    return kind_of(header.metadata, header.tensors)


def require_body(meta: SoulMeta, body: BodyShape) -> None:
    """Let a soul pass that was grown on ``body``.

    Raises:
        SoulMismatch: it was grown on another one; both are named.
        SoulInvalid: on this one, it says, but with other sizes.
    """
    if meta.body != body.fingerprint:
        raise SoulMismatch(
            f"soul '{meta.name}' was grown on body {meta.body_name} ({meta.body[:12]}…), "
            f"this body is {body.name} ({body.fingerprint[:12]}…)",
            f"run 'soul reincarnate {meta.name} --body {body.name}'",
        )
    if meta.dims != body.dims:
        raise SoulInvalid(
            f"soul '{meta.name}' is for body {body.name}, but with sizes {meta.dims.told()}; "
            f"the body has {body.dims.told()}"
        )


def check_header(header: Header) -> tuple[SoulMeta | None, list[str]]:
    """Return the metadata of a soul's header, and its faults, ``MAX_FAULTS`` at most."""
    kind = kind_of(header.metadata, header.tensors)
    if kind is not Kind.SOUL:
        return None, [f"is {kind.what}" + (f"; {kind.advice}" if kind.advice else "")]
    meta, faults = decode(header.metadata)
    if meta is not None:
        faults = list(islice(table_faults(meta.dims, header.tensors), MAX_FAULTS))
    return meta, faults[:MAX_FAULTS]


def invalid(path: Path, faults: list[str]) -> SoulInvalid:
    """Return the error for a file with these faults."""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return SoulInvalid(f"{path}: {faults[0]}{more}")


@contextmanager
def reading(path: Path) -> Iterator[BufferedReader]:
    """Open a file for reading, and say of what goes wrong inside which file it is.

    Raises:
        SoulMissing: no such file.
        SoulInvalid: no regular file, it cannot be read, or it is Unsound.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would wait
            raise Unsound("is not a file")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as e:
        raise SoulMissing(f"there is no soul file {path}") from e
    except OSError as e:
        raise SoulInvalid(f"{path}: cannot be read ({e.strerror or e})") from e
    except Unsound as e:
        raise SoulInvalid(f"{path}: {e}") from e


def _sound(path: Path, header: Header) -> SoulMeta:
    meta, faults = check_header(header)
    if meta is None or faults:
        raise invalid(path, faults)
    return meta
