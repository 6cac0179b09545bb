"""Keys and tokens: by the way their makers spell them, or because they look random."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from sould.privacy.secret import Secret, SecretKind, found

_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")

_KNOWN = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    + "|".join(
        [
            r"sk-(?=[\w-]{0,80}\d)[A-Za-z0-9_-]{20,}",  # OpenAI, Anthropic and many others
            r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,}",  # Stripe
            r"whsec_[A-Za-z0-9]{20,}",
            r"gh[pousr]_[A-Za-z0-9]{30,}",  # GitHub
            r"github_pat_[A-Za-z0-9_]{22,}",
            r"glpat-[A-Za-z0-9_-]{20,}",  # GitLab
            r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])",  # AWS
            r"AIza[A-Za-z0-9_-]{35}",  # Google
            r"ya29\.[A-Za-z0-9_-]{20,}",
            r"GOCSPX-[A-Za-z0-9_-]{20,}",
            r"xox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
            r"hf_[A-Za-z0-9]{30,}",  # Hugging Face
            r"npm_[A-Za-z0-9]{36}",
            r"pypi-[A-Za-z0-9_-]{50,}",
            r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",  # SendGrid
            r"dop_v1_[a-f0-9]{64}",  # DigitalOcean
            r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",  # Shopify
            r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # JWT
            r"\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])",  # Telegram
            r"AGE-SECRET-KEY-1[A-Z0-9]{58}",
            r"nsec1[a-z0-9]{58}",  # Nostr
        ]
    )
    + ")"
)
_WEBHOOK = re.compile(r"https://hooks\.slack\.com/services/[\w/]{20,200}")
_IN_URL = re.compile(
    r"[?&](?:(?:access|auth|api|id|refresh)[_-]?)?(?:token|key|secret|sig|signature|password)"
    r"=(?P<value>[\w.~%+/-]{8,})",
    re.IGNORECASE,
)
_USER_INFO = re.compile(
    r"(?<![A-Za-z])[a-z][a-z0-9+]{1,14}://[^\s/:@]{0,64}:(?P<value>[^\s/@]{1,64})@"
)
_PLACEHOLDER = re.compile(r"[$<{\[%*]|x{3}|your|example|pass(?:word)?$", re.IGNORECASE)

_RUN = re.compile(r"[A-Za-z0-9+/_-]{20,}={0,2}")
MAX_TOKEN_CHARS = 200  # what is longer is data
_NOT_A_TOKEN_AFTER = re.compile(
    r"(?:://\S*|base64,|sha\d{1,3}[:-]|ssh-\w+ |ecdsa-[\w-]+ |[\w.~]/|[.@#])$", re.IGNORECASE
)
_NOT_A_TOKEN = re.compile(r"AAAA|sha\d{1,3}-")  # public keys of ssh, checksums
_LOOK_BACK = 120


def private_keys(text: str) -> Iterator[Secret]:
    """Find PEM blocks, also those cut short."""
    end = 0
    for begin in _PRIVATE_KEY.finditer(text):
        if begin.start() >= end:
            close = _END.search(text, begin.end())
            end = close.end() if close else len(text)
            yield Secret(begin.start(), end, SecretKind.PRIVATE_KEY)


def known_tokens(text: str) -> Iterator[Secret]:
    """Find tokens by their makers' prefixes, and secrets inside URLs."""
    for pattern in (_KNOWN, _WEBHOOK):
        yield from (found(SecretKind.API_KEY, match) for match in pattern.finditer(text))
    for pattern, kind in ((_IN_URL, SecretKind.API_KEY), (_USER_INFO, SecretKind.PASSWORD)):
        for match in pattern.finditer(text):
            if not _PLACEHOLDER.match(match["value"]):
                yield found(kind, match, "value")


def random_tokens(text: str) -> Iterator[Secret]:
    """Find long strings that nobody would spell by hand, and that are no hash, path or URL."""
    for match in _RUN.finditer(text):
        run = match[0]
        if len(run) > MAX_TOKEN_CHARS or not looks_random(run):
            continue
        before = text[max(0, match.start() - _LOOK_BACK) : match.start()]
        if not _NOT_A_TOKEN_AFTER.search(before) and not _NOT_A_TOKEN.match(run):
            yield found(SecretKind.API_KEY, match)


def looks_random(run: str) -> bool:
    """Tell a random string from words, however joined, and from hexadecimal digits. Pure.

    Random letters and digits change between upper case, lower case and digits at 62 % of
    their places; words joined as in ``parseHttp2Header`` do at about 30 %.
    """
    kinds = [_kind(char) for char in run.rstrip("=")]
    if min(kinds.count("A"), kinds.count("a")) < 2 or "0" not in kinds:
        return False
    if kinds.count("-") > len(kinds) * 0.15:
        return False
    changes = sum(one != two for one, two in pairwise(kinds) if "-" not in (one, two))
    return changes >= 0.42 * (len(kinds) - 1) and len(set(run)) >= 0.4 * min(len(run), 32)


def _kind(char: str) -> str:
    return "0" if char.isdigit() else "A" if char.isupper() else "a" if char.islower() else "-"
