"""A huge JSON list taken apart: its objects one by one, as bytes, none of it parsed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sould.errors import BadRequest

_TO_SIGN = re.compile(rb'[^"{}\[\]]*+')
_TO_QUOTE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_QUOTE, _BACKSLASH = b'"\\'
_OPENING, _CLOSING = b"{[", b"}]"
_BETWEEN = b" \t\r\n,"
_BOM = b"\xef\xbb\xbf"


def elements(chunks: Iterable[bytes], *, max_bytes: int, max_depth: int) -> Iterator[bytes | None]:
    """Yield the objects of a list, or the one object there is; None for one over a limit.

    Memory: one object and one chunk. An object may still be no JSON inside.

    Raises:
        BadRequest: it is no list of objects, or ends in the middle; the message begins with a verb.
    """
    scan = _Scan(max_bytes, max_depth)
    for number, chunk in enumerate(chunks):
        yield from scan.take(chunk.removeprefix(_BOM) if number == 0 else chunk)
    scan.end()


class _Scan:
    def __init__(self, max_bytes: int, max_depth: int) -> None:
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._element = bytearray()
        self._depth = 0
        self._base = 0  # depth between the elements: 1 in a list
        self._has_begun = self._is_over = False
        self._is_in_text = self._is_escaped = False

    def take(self, chunk: bytes) -> Iterator[bytes | None]:
        at = start = 0
        while at < len(chunk):
            if self._is_in_text:
                at = self._through_text(chunk, at)
                continue
            sign = _end(_TO_SIGN, chunk, at)
            if self._depth <= self._base:
                self._check_between(chunk[at:sign])
            at = sign + 1
            if sign == len(chunk):
                break
            if chunk[sign] == _QUOTE:
                self._is_in_text = True
                if self._depth <= self._base:
                    raise BadRequest("is no list of conversations")
            elif chunk[sign] in _OPENING:
                if self._opened(chunk[sign]):
                    start = sign
            elif self._closed():
                self._keep(chunk[start:at])
                yield None if self._is_over else bytes(self._element)
                self._element.clear()
                self._is_over = False
        if self._depth > self._base:
            self._keep(chunk[start:])

    def end(self) -> None:
        if not self._has_begun:
            raise BadRequest("is empty")
        if self._depth or self._is_in_text:
            raise BadRequest("ends in the middle: it was cut short")

    def _through_text(self, chunk: bytes, at: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            return at + 1
        at = _end(_TO_QUOTE, chunk, at)
        if at == len(chunk):
            return at
        if chunk[at] == _BACKSLASH:  # the last byte of the chunk
            self._is_escaped = True
        else:
            self._is_in_text = False
        return at + 1

    def _opened(self, sign: int) -> bool:
        """Go one deeper; tell whether an element begins."""
        if self._has_begun and self._depth == 0:
            raise BadRequest("goes on after its end")
        if not self._has_begun:
            self._has_begun = True
            self._base = 1 if sign == _OPENING[1] else 0
            self._depth = 1
            return self._base == 0
        self._depth += 1
        if self._depth == self._base + 1 and sign != _OPENING[0]:
            raise BadRequest("is no list of conversations")
        if self._depth - self._base > self._max_depth:
            self._is_over = True
        return self._depth == self._base + 1

    def _closed(self) -> bool:
        """Go one up; tell whether an element ended."""
        if self._depth == 0:
            raise BadRequest("is no JSON")
        self._depth -= 1
        return self._depth == self._base

    def _keep(self, part: bytes) -> None:
        if len(self._element) + len(part) > self._max_bytes:
            self._is_over = True
        if self._is_over:
            self._element.clear()
        else:
            self._element += part

    def _check_between(self, gap: bytes) -> None:
        if gap.strip(_BETWEEN):
            raise BadRequest("is no list of conversations")


def _end(pattern: re.Pattern[bytes], chunk: bytes, at: int) -> int:
    found = pattern.match(chunk, at)
    assert found is not None  # it matches nothing at all, too
    return found.end()
