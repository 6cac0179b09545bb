"""What a secret is: a kind and a place in a text. What it says is never kept or logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class SecretKind(StrEnum):
    """What kind of thing must not be learned."""

    API_KEY = "api_key"  # and tokens of every kind
    PRIVATE_KEY = "private_key"
    CARD = "card"
    IBAN = "iban"
    PASSWORD = "password"
    PIN = "pin"  # and the codes that open doors
    ID_NUMBER = "id_number"  # social security, bank account, My Number


@dataclass(frozen=True, order=True)
class Secret:
    """``text[start:end]`` is, or holds, a secret."""

    start: int
    end: int
    kind: SecretKind


Detector = Callable[[str], Iterator[Secret]]
"""Takes a text with full-width letters, digits and signs made ASCII; positions are kept."""


def found(kind: SecretKind, match: re.Match[str], group: int | str = 0) -> Secret:
    """Return the secret that a group of a match is."""
    return Secret(match.start(group), match.end(group), kind)


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())
