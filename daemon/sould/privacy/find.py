"""Find the secrets of a text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sould.privacy.secret import Detector, Secret


@cache
def all_detectors() -> tuple[Detector, ...]:
    """Return every detector. The first time takes tens of milliseconds, for their patterns."""
    from sould.privacy import english, japanese, numbers, tokens

    return (
        tokens.private_keys,
        tokens.known_tokens,
        tokens.random_tokens,
        numbers.cards,
        numbers.ibans,
        english.stated,
        japanese.stated,
    )


_TO_ASCII = {0x3000: " ", **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}}


def find_secrets(text: str, detectors: Iterable[Detector] | None = None) -> list[Secret]:
    """Return the secrets in ``text`` by their place; those that overlap are one. Pure.

    Its time is linear in the length of the text.
    """
    plain = text.translate(_TO_ASCII)
    wanted = all_detectors() if detectors is None else detectors
    secrets: list[Secret] = []
    for secret in sorted(secret for detect in wanted for secret in detect(plain)):
        if secrets and secret.start < secrets[-1].end:
            first = secrets.pop()
            secret = Secret(first.start, max(first.end, secret.end), first.kind)
        secrets.append(secret)
    return secrets
