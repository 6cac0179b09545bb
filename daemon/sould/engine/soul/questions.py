"""Questions that a statement answers, made of its own words.

The bank of topics knows what people mostly tell; a statement itself knows the rest. English
questions are embedded ones ("Can you tell me what I collect?"), which keep the order and the verb
forms of the statement, as in transformational question generation (Heilman & Smith 2010). In
Japanese the question word stands where what is asked for stood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sould.engine.soul.facts import SHORT_MONTHS
from sould.engine.soul.wordings import (
    IS,
    OF_ONE,
    WORDS,
    Matter,
    framed,
    is_person,
    kinds_in,
    tidied,
)
from sould.language import is_japanese

ASKING = frozenset(("where", "when", "who"))
"""What is asked for with them is of one kind; with "what" it may be anything."""

MONTHS = (
    r"(?:Jan|Febr)uary|March|April|May\b|June|July|August|(?:Septem|Octo|Novem|Decem)ber|"
    rf"(?:{SHORT_MONTHS})\."
)
TIMES = (
    rf"(?:\d|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|{MONTHS}|the \d|"
    r"spring|summer|autumn|winter)"
)
_PLACED = r"(?:in|at|near|by|beside|outside|above|below|behind|next to|close to|not far from)"


def _any(name: str) -> str:
    return rf"(?:{'|'.join(WORDS[name])})"


_CALLED = re.compile(
    rf"\b({_any('determiners')}\s[\w' -]{{2,40}}?),? (?:{IS} |'s )?(?:called|named)\b", re.I
)
_CALLS = re.compile(r"\b(?:I|we) (?:call|called|named) ((?:my|our) [\w'-]+(?: [a-z'-]+)?) ", re.I)
_GOES_BY = re.compile(
    rf"\b({_any('determiners')}\s[\w' -]{{2,40}}?)[,:;] (?:(?:he|she|it|they)"
    r"(?: goes| go| is| are|'s|'re)(?: now)? (?:by|called|named)|(?:his|her|its) name is)\b"
)
_CALLS_ME = re.compile(r"\bcall(?:s|ed)? me [A-Z]")
_IS_NAMED = re.compile(r"^((?:[Mm]y|[Oo]ur) [\w-]+)'s (?=[A-Z][\w-]*$)")
_WHO = re.compile(r", who [^,]+,")
_NAME_OF = re.compile(rf"\b((?:my|our) [\w' -]{{2,40}}?)'s name {IS}\b", re.I)
_APPOSED = re.compile(
    rf"\b((?:[Mm]y|[Oo]ur)"
    rf"(?: (?!(?:{IS}|in|on|at|to|from|of|for|with|near|[a-z]+ed)\b)[a-z'-]+){{1,4}}) (?!I\b)[A-Z]"
)
_COPULA = re.compile(
    rf"^(?:and |but )?((?:my|our|the)(?: (?!{IS}\b|(?<=and )I\b)[\w',-]+){{1,8}}) ({IS}) (.+)", re.I
)
_OTHER = re.compile(
    rf"^(?P<thing>(?:[Mm]y|[Oo]ur)(?: [a-z'-]+){{0,2}}? (?:{_any('people')}))(?: [A-Z][\w'-]+)*"
    rf" (?P<does>(?!{IS}\b)[a-z][\w'-]*(?: .+)?)$"
)
_DOES_IT = re.compile(
    rf"^(?:(?:{_any('adverbs')}) )*([a-z]{{2,}}s) (?!(?:me|us|at|in|on|to|for|with|from)\b)"
)
_PROPER = re.compile(rf"(?:the )?(?!{TIMES}|I\b)[A-Z]")
_LIKE_NAME = re.compile(r"\bname|\bcalled\b|\b(?:I|we)\b", re.I)
_COUNT = re.compile(
    rf"(?:\d[\d,.]*|{_any('numbers')}) (?:[a-z'-]+ )??([a-z'-]+)(?: (?:{_PLACED}|of|for)\b.*)?$"
)
_PERIOD = re.compile(rf"^([A-Z]\w+(?: [a-z]\w+){{0,2}}) ({IS}) for ")
_SPEAKER = re.compile(
    rf"^(?P<lead>.*?)\b(?P<who>I|[Ww]e)(?P<short>'(?:m|ve|d|ll|re))?"
    rf"(?P<verb>(?: (?:{_any('adverbs')}|{_any('helpers')})(?![\w']))*"
    rf" (?!{_any('determiners')}\b)(?!(?:to|{_any('adverbs')})\b)[a-z][\w'-]*"
    rf"(?: (?:up|out|down|back|off|away|over|myself|ourselves)\b)*)"
    rf"(?: (?P<rest>.+))?$"
)
_IDENTITY = re.compile(r"\b(?:I am|I'm)(?: (?:now|really|actually))? (?P<what>.+)")
_WHEN = re.compile(
    r"^(?:on|every|each|in the|first thing|at|before|after|when|once|during|most|all)\b[^,]{0,40}$",
    re.I,
)
_LEFT_OVER = re.compile(
    r"^(of|about|for|with|from|to|into|against|on|after|as|over|without|under) (.+)"
)
_AT_PLACE = re.compile(rf"^((?!{_PLACED}\b)[a-z][a-z' -]*?) {_PLACED} (?:the )?[A-Z]")
_MENTIONED = re.compile(r"\b(?:[Mm]y|[Oo]ur) [a-z'-]+")
_HEAD = re.compile(
    rf"\b(?:my|our) (?:[\w' -]+? )??([\w'-]+)(?: (?:{IS}|in|on|at|of|for|with|to)\b|$)"
)
_OTHERS = re.compile(rf"^(?!my |our ){_any('determiners')} ", re.I)
NAME = re.compile(r"[A-Z]")

_JA_TOPIC = re.compile(
    r"^(?P<topic>[^、。]{1,24}?)は(?P<rest>[^。]+?)(?P<end>です|でした|だ)?[。！!]*$"
)
_JA_OBJECT = re.compile(
    r"^(?P<lead>(?:[^。]*[、は])?)[^、。はがを]{1,24}"
    r"(?P<part>を|(?<!あり)が|に住)(?P<verb>[^。]+?)[。！!]*$"
)
_JA_ASKED = {"を": "何を", "が": "何が", "に住": "どこに住"}


@lru_cache(maxsize=1024)
def matters(statement: str) -> tuple[Matter, ...]:
    """Return what a statement tells; () if its form is not understood."""
    if is_japanese(statement):
        return tuple(framed(words, "ja") for words in dict.fromkeys(_matters_ja(statement)))
    clause = _IS_NAMED.sub(r"\1 is ", _WHO.sub("", statement.strip().rstrip(".!")))
    found = [*_matters_en(clause)] or [*mentioned(clause)]
    return tuple(framed(words, "en") for words in dict.fromkeys(map(tidied, found)))


def heads(statement: str) -> str:
    """Return the nouns of the things that a statement is about: "older sister" → "sister"."""
    asked = (OF_ONE.sub(r"what \1", matter.words) for matter in matters(statement))
    return " ".join(m[1] for words in asked if (m := _HEAD.search(words)))


def asked_in(statement: str) -> set[str]:
    """Return which of ``ASKING`` the questions begin with that a statement answers."""
    return {matter.words.split()[0] for matter in matters(statement)} & ASKING


def asks_for_another(question: str, statement: str) -> bool:
    """Whether a question names a person or animal of a kind that a statement has nothing of: of a
    ferret's name nobody asks with "What is my dog called?".
    """
    return bool(kinds_in(question) - kinds_in(statement))


def _matters_en(clause: str) -> Iterator[str]:
    """Yield what a clause tells, as embedded questions."""
    named = [m[1] for p in (_CALLED, _CALLS, _GOES_BY, _NAME_OF) if (m := p.search(clause))]
    if (apposed := _APPOSED.search(clause)) and not _goes_on(apposed[1]):
        named.append(apposed[1])
    for thing in (_OTHERS.sub("my ", name) for name in named[:1]):
        asked = f"who {thing}" if is_person(thing) else f"what {thing}"
        yield f"{asked} {_be(thing)}" + ("" if is_person(thing) else " called")
        yield f"the name of {thing}"
    if not named and (match := _COPULA.match(clause)):
        thing, verb, what = match.groups()
        asked = _asks_for(thing, what)
        yield f"{asked} {thing} {verb}"
        if asked in ("what", "who") and _PROPER.match(what) and not _LIKE_NAME.search(thing):
            yield f"the name of {thing}"
    if match := _PERIOD.match(clause):
        yield f"what {match[1]} {match[2]} for"
    if _CALLS_ME.search(clause):
        yield from ("what I am called", "my name")
    elif (match := _IDENTITY.search(clause)) and _names(match["what"]):
        yield from ("who I am", "what I am called", "my name")
    elif match and re.match("an? (?!bit |little |lot |few )", match["what"]):
        yield from ("what I am", "what I do", "my job")
    elif match := _SPEAKER.match(clause):
        yield from _of_speaker(match)
    elif said := of_others(clause):
        yield from _of_others(*said)


def _goes_on(thing: str) -> bool:
    """Whether more follows in it on who it is of: what they do, as in "my mum speaks"."""
    *before, last = thing.lower().split()
    return last not in WORDS["people"] and any(word in WORDS["people"] for word in before)


def mentioned(clause: str) -> Iterator[str]:
    """Yield the things of the speaker in a clause, whatever is said of them."""
    return (f"what I said about {match[0]}" for match in _MENTIONED.finditer(clause))


def of_speaker(clause: str) -> tuple[str, str] | None:
    """Return what the speaker does, up to the verb, and the rest of the clause; None if they are
    not its subject.
    """
    match = _SPEAKER.match(clause)
    if match is None or match["lead"] or not match["rest"]:
        return None
    return _does(match), match["rest"]


def of_others(clause: str) -> tuple[str, str] | None:
    """Return of which of their people the speaker says something ("my aunt"), and what they do;
    None if they are not its subject.
    """
    match = _OTHER.match(clause)
    return None if match is None else (match["thing"], match["does"])


def _of_others(thing: str, does: str) -> Iterator[str]:
    """Yield what somebody else does to what."""
    if found := _DOES_IT.match(does):
        yield f"what {thing} {found[1]}"


def _of_speaker(match: re.Match[str]) -> Iterator[str]:
    """Yield what the speaker does, and where, when, with what."""
    does = _does(match)
    lead, rest = match["lead"].strip(" ,"), match["rest"] or ""
    when = f" {lead[0].lower()}{lead[1:]}" if _WHEN.match(lead) else ""
    if re.match(rf"{IS} ", rest):
        yield f"what {lead} {does} {rest.split()[0]}"
        return
    if re.match(rf"(?:on|in) (?:the )?{TIMES}", rest):
        yield f"when {does}"
        return
    if lead.endswith(" and"):  # "my wife and I": not the speaker alone
        return
    if re.match(r"at \d", rest):
        yield f"when {does}"
        return
    if re.match(rf"{_PLACED} ", rest):
        yield f"where {does}{when}"
        return
    if place := _AT_PLACE.match(rest):
        yield f"where {does} {place[1]}"
    if count := _COUNT.match(rest):
        yield f"how many {count[1]} {does}{when}"
    if (left := _LEFT_OVER.match(rest)) is None:
        if rest and not place:
            yield f"what {does}{when}"
        return
    is_name = bool(NAME.match(left[2]))
    if left[1] in ("to", "from") and is_name:
        yield f"where {does} {left[1]}{when}"
    elif not place or left[1] != "to":
        asked = "who" if left[1] in ("with", "for") and is_name else "what"
        yield f"{asked} {does} {left[1]}{when}"


def _does(match: re.Match[str]) -> str:
    """Return what the speaker does, up to the verb."""
    return f"{match['who']}{match['short'] or ''}{match['verb']}"


def _names(what: str) -> bool:
    """Whether somebody says who they are, and not of what people or faith they are."""
    first = what.split()[0]
    return bool(NAME.match(first)) and not (
        first.endswith("'s") or first.lower().strip(",.") in WORDS["peoples"]
    )


def _asks_for(thing: str, what: str) -> str:
    if re.match(rf"(?:on |in )?{TIMES}", what) and re.search(r"day|anniversary|appointment", thing):
        return "when"
    if re.match(rf"{_PLACED} ", what):
        return "where"
    return "who" if is_person(thing) and NAME.match(what) else "what"


def _be(thing: str) -> str:
    return "are" if re.search(r"[a-rt-z]s$", thing) else "is"


def _matters_ja(statement: str) -> Iterator[str]:
    """Yield what a statement tells, as questions without the "か" at their end."""
    sentence = re.split(r"(?<=[。！!])", statement)[0]
    if (match := _JA_TOPIC.match(sentence)) and match["end"]:
        yield f"{match['topic']}は何です"
    if (match := _JA_OBJECT.match(sentence)) and match["verb"].endswith(("ます", "です", "ました")):
        yield f"{match['lead']}{_JA_ASKED[match['part']]}{match['verb']}"
