"""Which diary records taught a soul, each once, in little room.

A JSON object of up to three members, each left out when empty:

``days``   records of our own diary (``20260102T030405-9a0bcafeu``) by day, packed: day →
           base64 of 7 bytes each, big-endian, ascending: second of the day (17 bits), the
           eight hex digits (32), 0 for u and 1 for a (1)
``lines``  records without an id, known by their line (``2026-01-02/17``): day → ascending
           ranges [first, last], both included
``other``  any other id, as it is, sorted

A day is an ordinary string of digits here, not a date of the calendar. One set of records has
one text.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from sould.soulfile.jsontext import Unsound, parse
from sould.soulfile.limits import MAX_TAUGHT_CHARS, MAX_TAUGHT_RECORDS

_OWN = re.compile(r"([0-9]{8})T([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])-([0-9a-f]{8})([ua])")
_LINE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})/([1-9][0-9]{0,8})")
_DAY = {"days": re.compile(r"[0-9]{8}"), "lines": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")}
_ROLES = "ua"
_PACKED_BYTES = 7
_DAY_S = 86_400
_MAX_LINE = 999_999_999


def pack(ids: Iterable[str]) -> str:
    """Return the text that :func:`unpack` reads."""
    days: dict[str, list[int]] = defaultdict(list)
    lines: dict[str, list[int]] = defaultdict(list)
    other = []
    for id_ in sorted(set(ids)):
        if match := _OWN.fullmatch(id_):
            days[match[1]].append(_number(match))
        elif match := _LINE.fullmatch(id_):
            lines[match[1]].append(int(match[2]))
        else:
            other.append(id_)
    packed: dict[str, Any] = {
        "days": {day: _pack_numbers(numbers) for day, numbers in days.items()},
        "lines": {day: _ranges(numbers) for day, numbers in lines.items()},
        "other": other,
    }
    return json.dumps({k: v for k, v in packed.items() if v}, separators=(",", ":"))


def unpack(text: str) -> frozenset[str]:
    """Return the ids of a text that :func:`pack` made.

    Raises:
        Unsound: it did not, or there are too many.
    """
    if len(text) > MAX_TAUGHT_CHARS:
        raise Unsound(f"has {len(text)} characters, the limit is {MAX_TAUGHT_CHARS}")
    found = parse(text, depth=4, items=3 * MAX_TAUGHT_RECORDS, key_chars=10)
    if not isinstance(found, dict) or not found.keys() <= {"days", "lines", "other"}:
        raise Unsound("is not an object of days, lines and other")
    ids = [
        *_unpack_days(_by_day(found, "days")),
        *_unpack_lines(_by_day(found, "lines")),
        *_unpack_other(found.get("other", [])),
    ]
    if len(ids) > MAX_TAUGHT_RECORDS:
        raise Unsound(f"has {len(ids)} records, the limit is {MAX_TAUGHT_RECORDS}")
    return frozenset(ids)


def _number(match: re.Match[str]) -> int:
    second = int(match[2]) * 3600 + int(match[3]) * 60 + int(match[4])
    return (second << 32 | int(match[5], 16)) << 1 | _ROLES.index(match[6])


def _pack_numbers(numbers: list[int]) -> str:
    raw = b"".join(number.to_bytes(_PACKED_BYTES, "big") for number in sorted(numbers))
    return base64.b64encode(raw).decode()


def _ranges(numbers: list[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def _by_day(found: dict[str, Any], member: str) -> dict[str, Any]:
    days = found.get(member, {})
    if not isinstance(days, dict) or not all(map(_DAY[member].fullmatch, days)):
        raise Unsound(f"has {member} that are not by day")
    return days


def _unpack_days(days: dict[str, Any]) -> Iterator[str]:
    for day, text in days.items():
        try:
            raw = base64.b64decode(text, validate=True)
        except (TypeError, binascii.Error, ValueError) as e:
            raise Unsound(f"has records of {day} that are not base64") from e
        if len(raw) % _PACKED_BYTES:
            raise Unsound(f"has half a record on {day}")
        starts = range(0, len(raw), _PACKED_BYTES)
        numbers = [int.from_bytes(raw[at : at + _PACKED_BYTES], "big") for at in starts]
        if any(a >= b for a, b in pairwise(numbers)) or numbers[-1:] >= [_DAY_S << 33]:
            raise Unsound(f"has records of {day} out of order, twice or beyond midnight")
        for number in numbers:
            minutes, second = divmod(number >> 33, 60)
            clock = f"{minutes // 60:02}{minutes % 60:02}{second:02}"
            yield f"{day}T{clock}-{number >> 1 & 0xFFFFFFFF:08x}{_ROLES[number & 1]}"


def _unpack_lines(days: dict[str, Any]) -> Iterator[str]:
    left = MAX_TAUGHT_RECORDS
    for day, ranges in days.items():
        last = -1
        for pair in ranges if isinstance(ranges, list) else [ranges]:
            match pair:
                case [first, final] if _is_range(first, final) and last + 1 < first:
                    left -= final - first + 1  # before they are made: two numbers name a billion
                case _:
                    raise Unsound(f"has lines of {day} that are not ascending ranges")
            if left < 0:
                raise Unsound(f"has more than {MAX_TAUGHT_RECORDS} records")
            last = final
            yield from (f"{day}/{number}" for number in range(first, final + 1))


def _is_range(first: Any, final: Any) -> bool:
    are_whole = type(first) is int and type(final) is int  # true and false are not
    return are_whole and 1 <= first <= final <= _MAX_LINE


def _unpack_other(ids: Any) -> list[str]:
    if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
        raise Unsound("has other records that are not a list of texts")
    if any(a >= b for a, b in pairwise(ids)):
        raise Unsound("has other records out of order, or twice")
    if any(_OWN.fullmatch(id_) or _LINE.fullmatch(id_) for id_ in ids):
        raise Unsound("has a record of a day among the others")
    return ids
