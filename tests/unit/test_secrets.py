"""What must never be learned: labelled examples in English and Japanese, and properties."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sould.privacy import Secret, SecretKind, find_secrets
from sould.privacy.numbers import is_iban, luhn
from tests.data.labelled_secrets import HARMLESS, SECRETS

ALNUM = string.ascii_letters + string.digits
WORDS = st.text(alphabet=string.ascii_lowercase, min_size=1, max_size=12)


def kinds(text: str) -> set[SecretKind]:
    return {secret.kind for secret in find_secrets(text)}


@pytest.mark.parametrize(("kind", "text"), SECRETS)
def test_a_secret_is_found(kind: str, text: str) -> None:
    assert kinds(text) == {SecretKind(kind)}


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert [text[s.start : s.end] for s in find_secrets(text)] == []


def test_both_languages_are_well_represented() -> None:
    texts = [[text for _, text in SECRETS], HARMLESS]
    japanese = [sum(any(c >= "\u3040" for c in t) for t in part) for part in texts]
    assert all(len(part) >= 60 for part in texts)
    assert all(count >= 20 for count in japanese)


def test_the_place_of_a_secret_is_told() -> None:
    text = "パスワードは「ｈｕｎｔｅｒ２」、カードは4111 1111 1111 1111です"
    assert [text[s.start : s.end] for s in find_secrets(text)] == [
        "ｈｕｎｔｅｒ２",
        "4111 1111 1111 1111",
    ]


def test_detectors_can_be_chosen_and_overlaps_become_one() -> None:
    def pairs(text: str) -> Iterator[Secret]:
        return (Secret(i, i + 2, SecretKind.PIN) for i in range(len(text) - 1))

    assert find_secrets("abcd", [pairs]) == [Secret(0, 4, SecretKind.PIN)]
    assert find_secrets("my password is hunter2", []) == []


def complete(prefix: str, length: int, filling: str) -> str:
    """Return a number with a right check digit."""
    body = (prefix + filling)[: length - 1]
    return next(body + d for d in string.digits if luhn(body + d))


ISSUERS = [("4", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("3530", 16), ("6011", 16)]
DIGITS = st.text(alphabet=string.digits, min_size=16, max_size=16)


@given(st.sampled_from(ISSUERS), DIGITS, st.sampled_from(["", " ", "-"]))
def test_every_card_number_is_found_and_none_with_a_wrong_digit(
    issuer: tuple[str, int], filling: str, gap: str
) -> None:
    number = complete(*issuer, filling)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    sizes = (4, 4, 4, 4) if len(number) == 16 else (4, 6, 5)
    for digits, expected in ((number, {SecretKind.CARD}), (wrong, set())):
        rest = iter(digits)
        shown = gap.join("".join(next(rest) for _ in range(size)) for size in sizes)
        assert kinds(f"pay with {shown}, please") == expected
        assert kinds(f"支払いは{shown}でお願いします") == expected


@given(st.text(alphabet=string.digits, min_size=18, max_size=18), st.booleans(), st.booleans())
def test_every_german_iban_is_found_and_none_with_a_wrong_digit(
    account: str, is_grouped: bool, is_lower: bool
) -> None:
    check = next(f"{n:02}" for n in range(2, 99) if is_iban(f"DE{n:02}{account}"))
    for number, expected in (
        (f"DE{check}{account}", {SecretKind.IBAN}),
        (f"DE{check}{account[:-1]}{(int(account[-1]) + 1) % 10}", set()),
    ):
        groups = [number[i : i + 4] for i in range(0, len(number), 4)]
        shown = " ".join(groups) if is_grouped else number
        assert kinds(f"send it to {shown.lower() if is_lower else shown} today") == expected


@given(st.text(alphabet=ALNUM, min_size=40, max_size=40), st.sampled_from(["ghp_", "hf_", "npm_"]))
def test_tokens_of_known_makers_are_found(filling: str, prefix: str) -> None:
    assert SecretKind.API_KEY in kinds(f"it is {prefix}{filling[:36]} I think")


@pytest.mark.parametrize("length", [20, 32, 64])
def test_nearly_every_random_token_is_found(length: int) -> None:
    draw = random.Random(length).choices
    tokens = ["".join(draw(ALNUM, k=length)) for _ in range(500)]
    assert sum(bool(kinds(f"use {token} for it")) for token in tokens) >= 475


@given(st.text(alphabet="0123456789abcdef", min_size=20, max_size=64))
def test_hexadecimal_digits_alone_are_no_secret(digits: str) -> None:
    assert SecretKind.API_KEY not in kinds(f"commit {digits} broke it")


@given(st.lists(WORDS, min_size=1, max_size=40))
def test_plain_words_are_no_secret(words: list[str]) -> None:
    shown = [word for word in words if not word.startswith(("pin", "pass", "otp", "pwd", "cv"))]
    assert find_secrets(" ".join(shown)) == []
    assert find_secrets("".join(word.title() for word in shown)) == []


@given(st.text())
def test_any_text_is_searched_and_places_are_in_it_and_in_order(text: str) -> None:
    secrets = find_secrets(text)
    assert all(0 <= s.start < s.end <= len(text) for s in secrets)
    assert all(a.end <= b.start for a, b in pairwise(secrets))


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            "1",
            "aA1",
            "1 ",
            "DE12",
            "DE12 ",
            "4111 ",
            "set password ",
            "password is ",
            "eyJa.",
        ),
        *(
            "-----BEGIN PRIVATE KEY-----",
            "sk-",
            "://a",
            "pin is ",
            "?key=",
            "パスワードは",
            "暗証番号は1",
        ),
        *("change my password for ", "account number is 1 ", "seed phrase is a ", "aB3-"),
        *(
            "パスワードを「",
            "パスワードはあ",
            "\n",
            "password: (",
            "code for the ",
            "3 ",
            "1234 is my ",
            "1a が",
        ),
    ],
)
def test_the_longest_message_takes_little_time(piece: str) -> None:
    text = piece * (400_000 // len(piece))
    start_s = time.process_time()
    find_secrets(text)
    assert time.process_time() - start_s < 3.0
