"""Questions that a sentence of a document answers, made of its own words.

A document speaks of the world in the third person, so that the bank of personal topics knows
nothing of it. Where the form of a sentence is understood it is asked for what stands at its end,
as embedded questions (see ``questions``); any sentence can be asked for by what it is about, if
that is told by its form, and by how it begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sould.documents.passage import SIGN
from sould.engine.soul.wordings import Matter, framed
from sould.language import is_japanese

MOST_SUBJECT_WORDS = 9
MOST_BEGINNING_WORDS = 8
MOST_BEGINNING_CHARS = 24  # in Japanese

_BE = r"(?:is|are|was|were)"
_HELP = r"(?:has|have|had|can|cannot|could|will|would|must|may|might|should|does not|do not)"
_ADVERBS = r"(?: (?:also|always|never|often|once|still|only|now|usually|not|first|later|mostly))*"
_DONE = (
    r"(?:[a-z]+ed|built|made|written|found|born|held|sold|taught|known|kept|led|won|given|taken|"
    r"shown|paid|grown|set|cut|sent|lost|bought|drawn|worn|spoken|run|hung|laid|lit|put|read|told)"
)
_DID = r"(?:stood|held|began|became|came|fell|gave|grew|kept|knew|led|left|lost|made|met|ran|rose|"
_DID += r"sank|sold|sang|spoke|spent|took|taught|went|won|wore|wrote|built|broke|brought|found|got)"
_AT = r"(?:in|on|at|near|beside|outside|above|below|behind|between|under|along|off)"
_TIME = (
    r"(?:\d|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|(?:Jan|Febr)uary|March|April|May\b|June|"
    r"July|August|(?:Septem|Octo|Novem|Decem)ber|the \d|the (?:early|late) |spring|summer|autumn|"
    r"winter|every |each |noon|midnight|dawn|dusk|night)"
)
_WHEN = re.compile(rf"(?:(?:in|on|at|since|until|from|after|before|around|by) )?{_TIME}")
_WHERE = re.compile(rf"{_AT} ")
_TO = re.compile(r"(of|about|for|with|from|to|into|against|as|over|by|on|through) ")
_OBJECT = re.compile(
    r"(?:an?|the|its?|his|her|their|no|all|some|many|two|three|four|five|six|seven|eight|nine|ten|"
    r"about|around|only|more|less|up|\d[\d,.]*|[A-Z][\w'-]*)\b"
)
_LEAD = re.compile(
    r"(?:In|On|At|Since|After|Before|During|By|From|For|Until|Under|With|When|If|While|As) "
    r"[^,]{1,60}, (?P<rest>.+)"
)
_WORDS = rf"(?:(?!{_BE} |{_HELP} )[^\s,;:]+ ?){{1,{MOST_SUBJECT_WORDS}}}"
_IS = re.compile(rf"(?P<who>{_WORDS}) ?\b(?P<verb>{_BE}{_ADVERBS}) (?P<rest>.+)")
_CAN = re.compile(rf"(?P<who>{_WORDS}) ?\b(?P<verb>{_HELP}{_ADVERBS} [a-z]+) (?P<rest>.+)")
_DOES = re.compile(
    r"(?P<who>(?:(?:The|An?|Its?|His|Her|Their|Each|Every|Some|All|Most|Many) )?"
    r"[^\s,;:]+(?: [^\s,;:]+){0,5}?)"
    rf"{_ADVERBS} (?P<verb>[a-z]+(?<!s)s|[a-z]+ed|{_DID}) (?P<rest>.+)"
)
_NAMES = re.compile(r"(?:an?|the|one of) ")
_ARTICLE = re.compile(r"(?:The|An?|Its?|His|Her|Their|Each|Every|Some|All|Most|Many|This|These) ")
_SUBJECT_JA = re.compile(r"(?P<who>[^、。「」]{1,24}?)(?:は|とは、?)(?P<rest>.+)")


@lru_cache(maxsize=1024)
def readings(statement: str, heading: str = "") -> tuple[Matter, ...]:
    """Return what can be asked of a document's statement, one matter at least; the last one
    asks for how it goes on. ``heading``: what it stands under.
    """
    is_ja = is_japanese(statement)
    found = [*(_asked_ja(statement) if is_ja else _asked_en(statement))]
    leaf = heading.rpartition(SIGN)[2]
    if leaf:
        found += [_under(words, leaf, is_ja) for words in found[-1:]]
    found.append(_beginning_ja(statement) if is_ja else _beginning_en(statement))
    language = "ja" if is_ja else "en"
    return tuple(framed(words, language) for words in dict.fromkeys(found))


def _asked_en(statement: str) -> Iterator[str]:
    """Yield what a sentence tells, and then what it is about, as embedded questions."""
    clause = re.split(r"[.!?] (?=[A-Z])", statement)[0].rstrip(".!")
    if lead := _LEAD.fullmatch(clause):
        clause = lead["rest"]
    if match := _IS.match(clause):
        who = _subject(match["who"])
        yield from _of_being(who, match["verb"], match["rest"])
    elif (match := _CAN.match(clause)) or ((match := _DOES.match(clause)) and _is_verb(match)):
        who = _subject(match["who"])
        yield _of_doing(who, match["verb"], match["rest"])
    else:
        return
    yield f"what is written about {who}"


def _of_being(who: str, verb: str, rest: str) -> Iterator[str]:
    if done := re.match(rf"({_DONE}) (.+)", rest):
        yield _of_doing(who, f"{verb} {done[1]}", done[2])
    elif _WHEN.match(rest):
        yield f"when {who} {verb}"
    elif _WHERE.match(rest):
        yield f"where {who} {verb}"
    elif _NAMES.match(rest) or re.match(r"[A-Z]", rest):
        yield f"what {who} {verb}"
    elif re.match(r"\d", rest):
        yield f"how much {who} {verb}"


def _of_doing(who: str, verb: str, rest: str) -> str:
    if _WHEN.match(rest):
        return f"when {who} {verb}"
    if _WHERE.match(rest):
        return f"where {who} {verb}"
    if to := _TO.match(rest):
        return f"what {who} {verb} {to[1]}"
    return f"what {who} {verb}"


def _is_verb(match: re.Match[str]) -> bool:
    """Whether what looks like a verb is one: a noun in the plural is followed by another word."""
    who, rest = match["who"], match["rest"]
    if _ARTICLE.fullmatch(f"{who} "):
        return False
    return bool(_OBJECT.match(rest) or _WHERE.match(rest) or _TO.match(rest) or _WHEN.match(rest))


def _subject(who: str) -> str:
    who = who.strip()
    return who[0].lower() + who[1:] if _ARTICLE.match(f"{who} ") else who


def _beginning_en(statement: str) -> str:
    words = statement.split()
    count = max(2, min(MOST_BEGINNING_WORDS, len(words) // 2))
    return f'how this goes on: "{" ".join(words[:count])}…"'


def _asked_ja(statement: str) -> Iterator[str]:
    """Yield the same without the "か" at the end."""
    if match := _SUBJECT_JA.match(statement):
        yield f"{match['who']}について何が書かれています"


def _beginning_ja(statement: str) -> str:
    count = max(4, min(MOST_BEGINNING_CHARS, len(statement) // 2))
    return f"「{statement[:count]}…」の続きは何です"


def _under(words: str, heading: str, is_ja: bool) -> str:
    return f"「{heading}」で{words}" if is_ja else f'{words} under "{heading}"'
