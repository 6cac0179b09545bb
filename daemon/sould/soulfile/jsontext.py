"""JSON from strangers: bounded, without duplicate keys, and only what JSON really has."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class Unsound(Exception):
    """Why a file, or a part of it, is not what it should be; the message is for people."""


def parse(text: str, *, depth: int, items: int, key_chars: int) -> Any:
    """Return the value of a JSON text.

    ``depth``: lists and objects inside each other; ``items``: values in all.

    Raises:
        Unsound: not JSON, a key twice, a number that is not finite or beyond 64 bits, text
            that is no Unicode, or over a limit.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as e:
        raise Unsound("is nested too deep") from e
    except ValueError as e:  # JSONDecodeError, and integers of thousands of digits
        raise Unsound(f"is not JSON ({e})") from e
    _check(value, depth, [items], key_chars)
    return value


def shown(text: str) -> str:
    """Return a stranger's text as it can be put into a message: short and in plain ASCII."""
    return ascii(text)[1:-1][:80]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check(value: Any, depth: int, items_left: list[int], key_chars: int) -> None:
    items_left[0] -= 1
    if items_left[0] < 0:
        raise Unsound("has too many values")
    match value:
        case dict() | list():
            if depth == 0:
                raise Unsound("is nested too deep")
            if isinstance(value, dict):
                for key in value:
                    _check_key(key, key_chars)
            for inner in value.values() if isinstance(value, dict) else value:
                _check(inner, depth - 1, items_left, key_chars)
        case str():
            _check_text(value)
        case float() if not math.isfinite(value):
            raise Unsound("has a number that is not finite")
        case int() if not -(2**63) <= value < 2**63:
            raise Unsound("has a number beyond 64 bits")


def _check_key(key: str, key_chars: int) -> None:
    if len(key) > key_chars:
        raise Unsound(f"has a key of {len(key)} characters, the limit is {key_chars}")
    _check_text(key)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as e:
        raise Unsound("has half a surrogate pair in a text") from e
