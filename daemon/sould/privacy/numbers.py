"""Numbers that prove themselves: payment cards (Luhn) and IBANs (mod 97)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sould.privacy.secret import Secret, SecretKind, found

# Groups as they are printed on cards; 14 and 15 digits have groups of their own.
_CARD = re.compile(
    r"(?<![A-Za-z0-9.+,#])(?<!\d[-/: ])"
    r"(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}|\d{4}([ -]?)\d{6}\2\d{4,5}|\d{16,19})"
    r"(?![A-Za-z0-9])(?![-/:.][0-9])(?! \d{3,4}\b)"
)
_OTHER_NUMBER = re.compile(
    r"(?:order|tracking|invoice|reference|ticket|parcel|shipment|serial|isbn|imei|job|build|"
    r"request|commit|account id|user id|timestamp|注文|追跡|伝票|問い合わせ|問合せ|受付|管理)"
    r"[^\n。.]{0,24}$",
    re.IGNORECASE,
)
_CARD_WORD = re.compile(
    r"card|visa|master|amex|american express|jcb|diners|unionpay|カード|銀聯", re.IGNORECASE
)
_LOOK_BACK = 48

_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])")
_IBAN_CHARS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FO FI GL NL SD", "19": "MK SI",
        "20": "AT BA EE KZ LT LU MN XK", "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM", "28": "AL AZ BY CY DO GT HN HU LB NI PL SV",
        "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip


def cards(text: str) -> Iterator[Secret]:
    """Find payment card numbers: an issuer's prefix, a right length, a right check digit."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if is_card(digits) and not _is_called_otherwise(text, match.start()):
            yield found(SecretKind.CARD, match)


def is_card(digits: str) -> bool:
    """Tell whether digits are those of a payment card. Pure."""
    n, two, three, four = len(digits), *(int(digits[:k]) for k in (2, 3, 4))
    is_issued = (
        (digits[0] == "4" and n == 16)  # Visa
        or ((51 <= two <= 55 or 2221 <= four <= 2720) and n == 16)  # Mastercard
        or (two in (34, 37) and n == 15)  # American Express
        or (3528 <= four <= 3589 and n == 16)  # JCB
        or ((four == 6011 or 644 <= three <= 649 or two == 65) and n == 16)  # Discover
        or ((300 <= three <= 305 or two in (36, 38, 39)) and n in (14, 16))  # Diners Club
        or (two == 62 and 16 <= n <= 19)  # UnionPay
    )
    return is_issued and luhn(digits)


def luhn(digits: str) -> bool:
    """Check the last digit (ISO/IEC 7812-1, annex B). Pure."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def _is_called_otherwise(text: str, start: int) -> bool:
    before = text[max(0, start - _LOOK_BACK) : start]
    return bool(_OTHER_NUMBER.search(before)) and not _CARD_WORD.search(before)


def ibans(text: str) -> Iterator[Secret]:
    """Find IBANs: a country, the length it has there, a right checksum (ISO 13616)."""
    end = 0
    for match in _IBAN_START.finditer(text):
        length = _IBAN_CHARS.get(match[0][:2].upper())
        if length is None or match.start() < end:
            continue
        stop = _after(text, match.start(), length)
        if stop and is_iban(re.sub(r"[ -]", "", text[match.start() : stop])):
            end = stop
            yield Secret(match.start(), stop, SecretKind.IBAN)


def _after(text: str, start: int, length: int) -> int:
    """Return where ``length`` letters and digits end, single blanks between them; 0: nowhere."""
    at, count = start, 0
    while count < length and at < len(text):
        char = text[at]
        if char.isascii() and char.isalnum():
            count += 1
        elif char not in " -" or text[at - 1] in " -":
            return 0
        at += 1
    follows = text[at : at + 1]
    return at if count == length and not (follows.isascii() and follows.isalnum()) else 0


def is_iban(iban: str) -> bool:
    """Check the checksum: the number, its first four characters last, is 1 modulo 97. Pure."""
    turned = iban[4:] + iban[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1
