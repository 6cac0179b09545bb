"""Passwords, PINs and numbers that are called so in English: "my password is hunter2"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sould.privacy.secret import Secret, SecretKind, found, words

_NAME = (
    r"(?:pass ?word|pass ?code|passphrase|pass ?phrase|passwd|pwd|login|credentials?|"
    r"(?:api|access|secret|private|licen[cs]e|encryption|recovery|master|wifi|wi-fi|wpa2?)"
    r"[ _-]?(?:key|token|code|secret|phrase)|bearer token|auth(?:entication)?[ _-]?token|"
    r"security (?:answer|word)|safe ?word)"
)
_FOR = r"(?: (?:for|to|of|on) [^\n.,;:!?]{1,40}?)?"
_IS = (
    r"(?:(?:['’]s|,? it['’]?s|\s+(?:is|was|will be|has been))"
    r"(?: (?:now|still|just|simply|set to|changed to|called)\b)?|\s*:|\s*=)"
)
_QUOTED = r"[\"'“‘`](?P<quoted>[^\"'”’`\n]{3,80})[\"'”’`]"
_BARE = r"(?P<bare>[^\s\"'“”‘’`「」。、]{3,80})"

_PASSWORD = re.compile(
    rf"(?<![A-Za-z.]){_NAME}[\"']?{_FOR}{_IS}:?\s{{0,3}}(?:{_QUOTED}|{_BARE})", re.IGNORECASE
)
_SET = re.compile(
    rf"(?:set|change|changed|reset|made|updated|switched)\b[^\n.!?]{{0,40}}?{_NAME}"
    rf"[^\n.!?]{{0,30}}? to:?\s{{1,3}}(?:{_QUOTED}|{_BARE})",
    re.IGNORECASE,
)
_REVERSED = re.compile(
    rf"(?:{_QUOTED}|(?<![^\s(])(?P<bare>(?=[^\s\"'“”]{{0,40}}\d)[^\s\"'“”]{{4,40}})) (?:is|was|as) "
    rf"(?:my|our|the|her|his|their) (?:[\w-]{{1,20}} ){{0,2}}?(?:{_NAME}|pin(?: code)?)"
    r"(?=\s*(?:[.!?,;:)]|$|\b(?:and|but|for|to|of|on|by|now)\b))",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"(?:pass ?phrase|(?:seed|recovery|mnemonic|backup) (?:phrase|words?))"
    rf"{_FOR}(?:\s+(?:is|are)|\s*[:=]):?\s{{1,3}}[\"'“]?(?P<words>[a-z]+(?:[ -][a-z]+){{2,23}})",
    re.IGNORECASE,
)
_PIN = re.compile(
    r"(?<![A-Za-z])(?:pin(?: ?(?:code|number|no\.?))?|cvv2?|cvc2?|security code|"
    r"(?:(?:door|gate|alarm|safe|lock|locker|padlock|entry|access|garage|unlock|phone|building|"
    r"vault|house|keypad|key safe|verification|confirmation|one[- ]time|2fa|otp|sms|screen|"
    r"burglar alarm)['’s]* (?:code|pin|combination|passcode))|combination|otp|2fa code|"
    r"code (?:for|to|of|on) (?:the|my|our|her|his|their) [^\n.,;:!?]{1,30}?)"
    rf"{_FOR}{_IS}:?\s{{0,3}}[\"'“#]?(?P<code>\d(?:[ -]?\d){{2,11}})(?![\d.,]?\d)(?!\s?%)",
    re.IGNORECASE,
)
_NOT_A_PIN = re.compile(
    r"\b(?:zip|postal|post|area|country|city|state|dial\w*|bowling|map|gpio|drop|hair|error|"
    r"promo|coupon|discount|india)\b",
    re.IGNORECASE,
)
_ID_NUMBER = re.compile(
    r"(?<![A-Za-z])(?:(?:ssn|social security(?: number)?|national insurance(?: number)?|"
    r"passport(?: number| no\.?)?|driver['’]?s licen[cs]e(?: number)?|tax id(?: number)?|"
    r"(?:bank )?account (?:number|no\.?)|routing number|sort code))"
    rf"{_FOR}{_IS}:?\s{{0,3}}(?P<number>(?=[A-Z0-9 -]{{0,20}}\d[ -]?\d[ -]?\d[ -]?\d)"
    r"[A-Z]{0,3}\d(?:[ -]?[A-Z0-9]){5,19})",
    re.IGNORECASE,
)

_CLAUSE_ENDS = re.compile(r"\s*(?:[.!?,;)\]}\"'”’]|$|\n|\s(?:and|but|so|or|for|on|by the way)\b)")
_UNIT = re.compile(
    r"\s*(?:-|characters?|chars?|letters?|digits?|symbols?|words?|bits?|bytes?|years?|months?|"
    r"weeks?|days?|hours?|minutes?|times?|attempts?|%|percent|of|or more|tries)",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"[(\[{<$%]|^(?:\*+|\.+|x+|•+|-+|_+)$|^(?:os|self|config|settings|env|process|request|args)\.|://"
)
_IDENTIFIER = re.compile(r"[A-Za-z]+(?:[._][A-Za-z]+)+")
_PLACEHOLDERS = words(
    "password passwd changeme change_me example test todo xxx xxxx yourpassword your_password "
    "your-password mypassword my_password secret redacted hidden placeholder string str"
)
_NO_VALUES = words(
    """
    a about above absent accepted again all already also always an annoying any as asked at awful
    bad base64 bcrypt because being below best better blank both boring broken but by case certain
    changed clear common complex complicated compromised confidential correct critical crucial
    default different difficult displayed dumb easy either empty encrypted enough essential even
    exactly expired expiring exposed false fine first forgotten from fun gone good great
    hard hashed hidden how huge if important impossible in incorrect insecure invalid it
    just kept known lame last leaked less like literally logged long longer lost mandatory
    masked maybe md5 mediocre mine missing more most my necessary needed never new nil no none
    normal not nothing null obvious off ok okay old on one only optional or ours out outdated over
    owned perfect plain plaintext predictable private probably protected public really
    random readable recent refused rejected required reset right sacred safe same saved secret
    secure seen sensitive sent set sha1 sha256 sha512 shared short simple so some something soon
    stale stored string strong stupid stuck sure taken temporary terrible that the their there this
    tiny to tomorrow too true tricky unchanged undefined under unique unknown unsafe unset unusual
    useless usually utf8 utf-8 valid verified very visible weak what when where which who why
    with working wrong yes yet you your yours
    """
)
_ADJECTIVE = re.compile(
    r"(?:ed|ing|able|ible|ful|less|ly|n['’]t|[- ]sensitive|[- ]protected|[- ]to-date|-free|"
    r"-of-date|-based|-specific|-only)$",
    re.IGNORECASE,
)
_LITTLE_WORDS = words(
    "not too very really so quite a an the my in on to is are be that which stored written hard "
    "easy long short strong weak good bad better than known lost what how always never just only "
    "more less as of at by for from with kept it this"
)


def stated(text: str) -> Iterator[Secret]:
    """Find what an English sentence, or a line of a form, calls a secret."""
    for pattern in (_PASSWORD, _SET):
        for match in pattern.finditer(text):
            if is_told(match):
                group = "quoted" if match["quoted"] else "bare"
                yield found(SecretKind.PASSWORD, match, group)
    for match in _REVERSED.finditer(text):
        yield found(SecretKind.PASSWORD, match, "quoted" if match["quoted"] else "bare")
    for match in _PHRASE.finditer(text):
        if _LITTLE_WORDS.isdisjoint(re.split("[ -]", match["words"].lower())):
            yield found(SecretKind.PASSWORD, match, "words")
    for match in _PIN.finditer(text):
        before = text[max(0, match.start() - 16) : match.start("code")]
        if not _NOT_A_PIN.search(before) and not _UNIT.match(text, match.end()):
            yield found(SecretKind.PIN, match, "code")
    yield from (found(SecretKind.ID_NUMBER, m, "number") for m in _ID_NUMBER.finditer(text))


def is_told(match: re.Match[str]) -> bool:
    """Tell a password that is told from talk about passwords, and from code. Pure."""
    if quoted := match["quoted"]:
        return quoted.lower() not in _PLACEHOLDERS and not _CODE.search(quoted)
    value = match["bare"].rstrip(".,;:!?)")
    rest = match.string[match.start("bare") + len(value) : match.end() + 32]
    if len(value) < 3 or _CODE.search(value) or _IDENTIFIER.fullmatch(value):
        return False
    if value.lower() in _PLACEHOLDERS | _NO_VALUES:
        return False
    if value.isdigit():
        return len(value) >= 4 and not _UNIT.match(rest)
    if re.search(r"\d", value) or re.search(r"[^\w'’.,:/-]", value):
        return not _UNIT.match(rest) or len(value) > 6
    if value.count("-") >= 2 or re.search(r"[a-z][A-Z]", value):
        return not _ADJECTIVE.search(value)
    return bool(_CLAUSE_ENDS.match(rest)) and not _ADJECTIVE.search(value)
