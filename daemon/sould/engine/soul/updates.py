"""Which facts are out of date: the newest wins over what it replaces."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

from sould.engine.soul.dreams import Fact, meant_topics
from sould.engine.soul.facts import clauses_of, gist
from sould.engine.soul.questions import matters
from sould.engine.soul.topics import SURE
from sould.engine.soul.wordings import content, kinds_in

# Of these there is one at a time; of what somebody is, has, plays or hates there may be many.
_ONE = re.compile(
    r"what my (?:new )?favou?rite |what my name is|where (?:I|we) live\b|when my birthday is|"
    r"when I was born|.*(?:好きな.+|誕生日)は何|どこに住"
)
_ANYTHING = re.compile(r"what (?:I|we)(?:'ve)? (?:have|had|got)\b")
_NEWS = re.compile(
    r"\b(?:now|no longer|any ?more|changed?|moved|instead|switched|replaced|renamed|goes by|quit|"
    r"sold|these days|became|has become)\b|\b(?:[Mm]y|[Oo]ur|a) new\b|"
    r"今は|新しい|変わ|変え|引っ越|転職|やめ|もう.*(?:ない|ません)"
)
_RENAMED = re.compile(r"\b(?:renamed?|goes by)\b")
_NEW_JOB = re.compile(r"\bnew (?:([\w-]+) )?job\b|\b(?:changed|switched) jobs\b", re.I)
_WORKS = re.compile(r"where (?:I|we)(?:'m| am)? work(?:ing)?\b(?! out)")
_ROLES = {"my job", "my name"}
_THING = re.compile(r"\b(?:my|our) ([\w' -]+?)(?: (?:is|are|was|were|in|at|on|of|for|to|with)\b|$)")


def superseded(facts: Sequence[Fact]) -> Generator[None, None, dict[str, str]]:
    """Return the ids of facts, oldest first, that a newer one replaces, with its id. What a
    document says replaces nothing, and stays.

    It does if it answers a question of which there is one answer at a time ("where I live"); or
    if it says that something is new, and is about the same thing, or surely about the same topic
    (if one of the two names a thing, not by a mere hint),
    or of a new job where the old one says where they work. If nobody can say what it is about, it
    replaces one that answers the same question, that with most words in common. Yields after each
    fact.
    """
    found: dict[str, str] = {}
    told: list[_Told] = []
    for fact in facts:
        if fact.source:
            continue
        new = _Told(fact)
        replaced = [old for old in told if new.replaces(old)]
        if not replaced and (alike := [old for old in told if new.may_replace(old)]):
            replaced = [max(alike, key=new.shared)]
        found |= {old.id: new.id for old in replaced}
        told.append(new)
        yield
    return found


def standing(facts: Sequence[Fact], replaced: Mapping[str, str]) -> list[Fact]:
    """Return the facts that hold, oldest first, without those that are ``replaced``. A newer one is
    about the topics of what it replaces, too: "I play petanque now" answers which sport, and that
    is no longer something that was never told. Pure.
    """
    fits = {fact.id: fact.fits for fact in facts}
    for fact in facts:
        if heir := replaced.get(fact.id):
            pairs = zip(fits[fact.id], fits[heir], strict=True)
            fits[heir] = tuple(max(pair) for pair in pairs)
    return [replace(fact, fits=fits[fact.id]) for fact in facts if fact.id not in replaced]


class _Told:
    def __init__(self, fact: Fact) -> None:
        self.id = fact.id
        told = [matter for clause in clauses_of(fact.statement) for matter in matters(clause)]
        self._asked = {one.words for one in told if not _ANYTHING.match(one.words)}
        clause = gist(fact.statement)
        mine = {one.words for one in matters(clause)} & self._asked
        found = [thing for one in mine - _ROLES for thing in _THING.findall(one)]
        self._things = {word for thing in found for word in content(thing)}
        self._content = content(fact.statement)
        self._kinds = kinds_in(clause)
        self._is_news = bool(_NEWS.search(fact.statement))
        self._new_job = _NEW_JOB.search(fact.statement)
        self._works = any(_WORKS.match(words) for words in self._asked)
        self._statement = fact.statement.casefold()
        self._renames = bool(_RENAMED.search(fact.statement))
        self._topic = max(meant_topics(fact), key=lambda topic: fact.fits[topic], default=None)
        self._is_surer = max(fact.fits, default=SURE) > SURE  # than a mere hint makes it

    def replaces(self, old: _Told) -> bool:
        same = self._asked & old._asked
        if any(_ONE.match(words) for words in same):
            return True
        if self._renames and old._things & self._content:
            return True
        if not self._is_news:
            return False
        if self._new_job and old._works:  # "a new weekend job" replaces what is done on weekends
            kind = (self._new_job[1] or "").casefold()
            if kind in old._statement:
                return True
        if old._things and self._things:
            return bool(old._things & self._things)
        if (old._things or self._things) and not (old._is_surer and self._is_surer):
            return False
        is_same = self._topic is not None and self._topic == old._topic
        return is_same and self._kinds == old._kinds

    def may_replace(self, old: _Told) -> bool:
        is_unclear = self._topic is None or old._topic is None
        is_alike = bool(self._asked & old._asked) and not (self._things and old._things)
        return self._is_news and is_unclear and is_alike

    def shared(self, old: _Told) -> int:
        return len(self._content & old._content)
