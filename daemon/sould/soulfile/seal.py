"""The seal of a soul file: a checksum of all of it, kept inside it.

It is the SHA-256 of the whole file with the 64 hex digits of the checksum itself taken as
zeros, and stands in the header as ``"sha256":"…"``, without spaces. JSON escapes quotes in
texts and we refuse a key twice, so there is one such place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sould.soulfile.container import length_of
from sould.soulfile.jsontext import Unsound

NO_SEAL = "0" * 64


def digest(text: bytes, digits: str, data: Iterable[bytes | bytearray | memoryview]) -> str:
    """Return the checksum of a file whose header ``text`` has ``digits`` in its place.

    Raises:
        Unsound: it has not.
    """
    if text.count(_place(digits)) != 1:
        raise Unsound('metadata: sha256 is not written as "sha256":"…"')
    found = hashlib.sha256(length_of(text))
    found.update(text.replace(_place(digits), _place(NO_SEAL)))
    for part in data:
        found.update(part)
    return found.hexdigest()


def apply(text: bytes, digits: str) -> bytes:
    """Put the checksum into its place in a header that has none yet."""
    return text.replace(_place(NO_SEAL), _place(digits))


def seal_fault(
    text: bytes, digits: str, data: Iterable[bytes | bytearray | memoryview]
) -> str | None:
    """Return what is wrong with the seal, None if it holds."""
    try:
        found = digest(text, digits, data)
    except Unsound as e:
        return str(e)
    if found == digits:
        return None
    return f"is damaged: its checksum is {found[:12]}…, and {digits[:12]}… was written"


def _place(digits: str) -> bytes:
    return f'"sha256":"{digits}"'.encode()
