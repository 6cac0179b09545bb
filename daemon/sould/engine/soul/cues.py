"""Questions that say more of a statement than what it is about.

People ask for what they told by whatever they remember of it: by where or for whom they do it
("What do I build out of umbrellas?"), by who did it ("Who sent me a postcard?"), by what they said
beside it ("What did I say about my desk?"). English only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sould.engine.soul.facts import clauses_of, gist
from sould.engine.soul.questions import NAME, TIMES, matters, mentioned, of_others, of_speaker
from sould.engine.soul.wordings import Matter, framed, tidied
from sould.language import is_japanese

MOST_WORDS = 12  # of a question's own: what is longer is no question any more

_PHRASE = re.compile(
    r" (?=(?:in|on|at|to|for|with|from|out of|by|near|into|under|over|after|before|during|"
    r"through|without|against|beside|behind|next to)\b)"
)
_PREPOSITION = re.compile(r"(out of|next to|[a-z]+) (.+)")
_KIND = re.compile(r"(?:an? |the )?(?:(?!(?:an?|the|of|my|our|no)\b)[a-z'-]+ )+([a-z-]{3,})")
_NOTHING = re.compile(
    r"(?:the moment|now|all|a living)\b|.*\b(?:minute|hour|day|week|month|year)s?\b"
)
_PLACES = frozenset(("in", "at", "near", "by", "beside", "behind", "next to"))
_OBJECT = re.compile(r"^(?P<before>.*\b(?:I|[Ww]e|[Mm]y|[Oo]ur)\b.*) (?:it|them)\b(?P<after>.*)$")
_IDIOM = re.compile(r"\b(?:on my own|in my opinion|to my mind)\b", re.I)
_FAVOURITE = re.compile(r"^([Mm]y|[Oo]ur) (?:\w+ )?favou?rite ([a-z' -]{3,24}?) (?:is|are) ")
_PRONOUN = re.compile(r"\b(?:it|them|they|he|she)(?:'\w+)?\b", re.I)
_ABOUT_ONE = re.compile(r"^(?:who|he|she) (?P<does>[a-z].*)$", re.I)


@lru_cache(maxsize=1024)
def cues(statement: str) -> tuple[Matter, ...]:
    """Return what a statement answers beside its ``matters``; () in Japanese."""
    if is_japanese(statement):
        return ()
    main = gist(statement)
    known = {matter.words for matter in matters(main)}
    found: list[str] = []
    for clause in clauses_of(main)[:1]:
        found += [*_with_phrases(clause), *_with_others(clause)]
    for clause in clauses_of(statement, with_relative=True):
        if clause.lower() not in main.lower():
            found += _beside(clause)
    asked = dict.fromkeys(map(tidied, found))
    short = (words for words in asked if len(words.split()) <= MOST_WORDS)
    return tuple(framed(words, "en") for words in short if words not in known)


def _with_phrases(clause: str) -> Iterator[str]:
    """Yield what the speaker does, and with whom, where, what for: all but one of these said."""
    if (said := of_speaker(clause)) is None:
        return
    does, rest = said
    parts = _PHRASE.split(f" {rest}")
    has_object, parts = bool(parts[0]), [part.strip() for part in parts if part]
    if has_object and (kind := _KIND.fullmatch(parts[0])):
        yield f"which {kind[1]} {' '.join([does, *parts[1:]])}"
    if has_object and len(parts) > 1:
        yield f"what {does} {' '.join(parts[1:])}"
    for at, part in enumerate(parts):
        found = _PREPOSITION.match(part)
        if found is None or _NOTHING.match(found[2]) or (at == 0 and has_object):
            continue
        preposition, thing = found.groups()
        if at == 0 and (kind := _KIND.fullmatch(thing)) and preposition not in _PLACES:
            yield " ".join(["which", kind[1], does, preposition, *parts[1:]])
        before, after = [does, *parts[:at]], parts[at + 1 :]
        if preposition in ("in", "on", "at", "before", "after") and re.match(TIMES, thing):
            yield " ".join(["when", *before, *after])
        elif preposition in _PLACES:
            yield " ".join(["where", *before, *after])
        elif preposition in ("to", "from") and NAME.match(thing):
            yield " ".join(["where", *before, preposition, *after])
        else:
            yield " ".join(["what", *before, preposition, *after])


def _with_others(clause: str) -> Iterator[str]:
    """Yield who of the speaker's people does what is said of them, and which is their favourite."""
    if (said := of_others(clause)) is not None:
        yield f"who {said[1]}"
    if found := _FAVOURITE.match(clause):
        yield f"which {found[2]} is {found[1].lower()} favourite"


def _beside(clause: str) -> Iterator[str]:
    """Yield what is told by way of something that was said beside it."""
    yield from mentioned(_IDIOM.sub("", clause))
    if found := _ABOUT_ONE.match(clause):
        if not _PRONOUN.search(found["does"]):
            yield f"who {found['does']}"
    elif (found := _OBJECT.match(clause)) and not _PRONOUN.search(found["before"] + found["after"]):
        yield f"what {found['before']}{found['after']}"
