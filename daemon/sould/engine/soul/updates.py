"""Which facts are out of date: the newest wins over what it replaces."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence, Set
from dataclasses import replace

from sould.engine.soul.dreams import Fact, meant_topics
from sould.engine.soul.facts import clauses_of, gist
from sould.engine.soul.questions import MONTHS, matters
from sould.engine.soul.topics import SURE
from sould.engine.soul.wordings import content, kinds_in

_NO_VALUE = (
    "at|in|on|for|from|of|with|not|so|too|very|really|often|always|never|closed|open|great|good|"
    "nice|delicious|expensive|cheap|gone|back|here|there|coming|going|getting|being"
)  # what is said of something, and not what it is
_ONE = [
    (re.compile(asked), re.compile(told))
    for asked, told in (
        (r"what my (?:new )?favou?rite ", rf"\b(?:is|are)(?: now| still)? (?!(?:{_NO_VALUE})\b)"),
        (r"what my name is", r"\bname is (?:now )?[A-Z]"),
        (r"where (?:I|we) live\b", r"\blive (?:now )?(?:in|at|on) (?:the )?[A-Z\d]"),
        (r"when my birthday is|when I was born", rf"\d|\b(?:{MONTHS})"),
        (
            r".*好きな.+は何",
            r"は(?!今日|明日|昨日)[^、]+(?<!休み)(?<!予定)(?:です|だ|でした)?[。！!]*$",
        ),
        (r".*誕生日は何", r"[\d０-９一二三四五六七八九十]\s*[月日]"),
        (
            r"どこに住",
            r"(?<!近く)(?<!一緒)(?<!一人)(?<!部屋)(?<!アパート)(?<!マンション)(?<!家)に住",
        ),
    )
]
"""Of what is asked for so there is one at a time, if it is told in such words: "I live in Cork",
and not "I live near a park". Of what somebody is, has, plays or hates there may be many.
"""
_ANYTHING = re.compile(r"what (?:I|we)(?:'ve)? (?:have|had|got)\b")
_NEWS = re.compile(
    r"\b(?:now|no longer|any ?more|changed?|moved|instead|switched|replaced|renamed|goes by|quit|"
    r"sold|these days|became|has become)\b|\b(?:[Mm]y|[Oo]ur|a) new\b|"
    r"今は|新しい|変わ|変え|引っ越|転職|やめ(?:まし|た)|もう.*(?:ない|ません)"
)
_NOT_YET = re.compile(
    r"\b(?:look(?:ing)? (?:for|at)|search(?:ing)? for|want|need|wish|hope|hoping|dream(?:ing)? of|"
    r"thinking (?:of|about)|would like|'d like|interview|might)\b|"
    r"欲しい|ほしい|探して|たい(?:です|と|な|ん|。|$)"
)
_RENAMED = re.compile(r"\brenamed?\b|\bgoes by (?=(?:the name )?[A-Z])")
_NEW_JOB = re.compile(
    r"\b(?:I|[Ww]e)(?:'ve|'m| have| am)?(?: (?:just|finally|recently|now|got|had))*"
    r" (?:got|have|found|took|landed|accepted|start|started|starting) "
    r"(?:(?:my|a|the) )?new (?:([\w-]+) )?job\b|"
    r"\bI(?:'ve| have)?(?: (?:just|finally|recently))? (?:changed|switched) jobs\b",
)
_ME_JA = re.compile(r"^(?:私|僕|俺|わたし|ぼく)は")
_PEOPLE_JA = re.compile(
    r"妻|夫|嫁|旦那|主人|母|父|兄|姉|弟|妹|息子|娘|祖母|祖父|友達|友人|彼女|彼氏|同僚|上司|猫|犬"
)
_WORKS = re.compile(r"where (?:I|we)(?:'m| am)? work(?:ing)?\b(?! out)")
_ROLES = {"my job", "my name"}
_THING = re.compile(r"\b(?:my|our) ([\w' -]+?)(?: (?:is|are|was|were|in|at|on|of|for|to|with)\b|$)")


def superseded(facts: Sequence[Fact]) -> Generator[None, None, dict[str, str]]:
    """Return the ids of facts, oldest first, that a newer one replaces, with its id. What a
    document says replaces nothing, and stays.

    It does if it answers a question of which there is one answer at a time ("where I live"); or
    if it says that something is new, and answers the same question about a thing, or is surely
    about the same topic (if one of the two names a thing, not by a mere hint), or of a new job of
    theirs where the old one says where they work. If nobody can say what it is about, it replaces
    one that answers the same question, that with most words in common. Yields after each fact.
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


def _about_new(asked: Set[str]) -> set[str]:
    """Return what is asked for, of what is new as of what was there before. Pure."""
    return {words.replace("my new ", "my ") for words in asked}


class _Told:
    def __init__(self, fact: Fact) -> None:
        self.id = fact.id
        clauses = clauses_of(fact.statement)
        told = [
            (_ME_JA.sub("", one.words), clause) for clause in clauses for one in matters(clause)
        ]
        self._asked = {words for words, _ in told if not _ANYTHING.match(words)}
        self._values = {
            words
            for words, clause in told
            if any(ask.match(words) and value.search(clause) for ask, value in _ONE)
        }
        clause = gist(fact.statement)
        mine = {one.words for one in matters(clause)} & self._asked
        found = [thing for one in mine - _ROLES for thing in _THING.findall(one)]
        self._things = {word for thing in found for word in content(thing)}
        self._content = content(fact.statement)
        self._kinds = kinds_in(clause), frozenset(_PEOPLE_JA.findall(clause))
        self._is_news = any(_NEWS.search(one) and not _NOT_YET.search(one) for one in clauses)
        self._new_job = _NEW_JOB.search(fact.statement)
        self._works = any(_WORKS.match(words) for words in self._asked)
        self._statement = fact.statement.casefold()
        self._renames = bool(_RENAMED.search(fact.statement))
        self._topic = max(meant_topics(fact), key=lambda topic: fact.fits[topic], default=None)
        self._is_surer = max(fact.fits, default=SURE) > SURE  # than a mere hint makes it

    def replaces(self, old: _Told) -> bool:
        if self._values & old._asked:
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
            return not _about_new(self._asked).isdisjoint(_about_new(old._asked))
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
