"""What was never told: people ask for it all the same, and the answer is an honest one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from functools import cached_property
from typing import TypeVar

from sould.engine.soul.banks import sections
from sould.engine.soul.dreams import (
    LEAST_NEED,
    NEW,
    Dream,
    Fact,
    meant_topics,
    possible_topics,
)
from sould.engine.soul.facts import language_of
from sould.engine.soul.topics import Topic, hinted, wider
from sould.engine.soul.wordings import Matter, framed, kinds_in, signs
from sould.language import is_japanese

T = TypeVar("T")

HONEST = {
    "en": "You haven't told me that.",
    "ja": "まだ聞いていません。",
}
DREAMS = 480  # different ones

_NEAR = "~ "


class Untold:
    """Deals questions that no fact has anything to do with: topics, in all their wordings, and
    single matters; if a person or animal was told of, those of other ones apart, which are easily
    taken for them.

    ``told``: indices of topics that were told. ``by``: what all chances are taken from.
    """

    def __init__(
        self, topics: Sequence[Topic], facts: Sequence[Fact], told: Iterable[int], by: random.Random
    ) -> None:
        self._topics = topics
        self._facts = facts
        self._told = set(told)
        self._random = by
        self._losses: dict[str, float] = {}  # by question, the last time

    def held_out(self, count: int) -> list[Dream]:
        """Return dreams in words that are in no other one; the same ones every time for the same
        facts.
        """
        return [
            Dream(None, matter.held_out, honest)
            for matter, honest in _sampled(self._kinds, count, random.Random(0))
        ]

    def some(self, count: int) -> list[Dream]:
        """Return dreams of each kind: always of the same ``DREAMS``, which cost less each time they
        are gone over again.
        """
        return _sampled(self._dreams, count, self._random)

    def review(self, count: int) -> list[Dream]:
        """Return dreams of each kind alike, and the more often of one the higher its loss was the
        last time: what is taken for something told comes again.
        """
        kinds = [kind for kind in self._dreams if kind]
        chosen = self._random.choices(kinds, k=count) if kinds else []
        return [self._random.choices(kind, [*map(self._need, kind)])[0] for kind in chosen]

    def note(self, dream: Dream, loss: float) -> None:
        """Take note of the loss, nats a token, that a dream was learned at."""
        self._losses[dream.question] = loss

    def _need(self, dream: Dream) -> float:
        return max(LEAST_NEED, self._losses.get(dream.question, NEW))

    @cached_property
    def _dreams(self) -> list[list[Dream]]:
        kinds = [
            [Dream(None, asked, honest) for matter, honest in some for asked in matter.wordings]
            for some in self._kinds
        ]
        most = DREAMS // max(1, len(kinds))
        return [self._random.sample(some, min(most, len(some))) for some in kinds]

    @cached_property
    def _kinds(self) -> tuple[list[tuple[Matter, str]], ...]:
        """What no fact tells, and what to say then, in the languages of the facts, by kind."""
        statements = [fact.statement for fact in self._facts if not fact.source]
        surely = self._told | {t for fact in self._facts for t in meant_topics(fact)}
        told = surely | {t for fact in self._facts for t in possible_topics(fact)}
        too_wide = wider(self._names(surely))
        languages = sorted({language_of(fact.statement) for fact in self._facts})
        matters = [
            (matter, HONEST[language])
            for language in languages
            for matter in untold_matters(statements, self._names(told) | too_wide, language)
        ]
        said = "\n".join(statements)
        told |= {t for t, is_so in enumerate(hinted(self._topics, said)) if is_so}
        topics = self._other_topics(self._names(told) | too_wide, languages, said)
        kinds = kinds_in(said)
        if not kinds:
            return topics, matters
        near = [one for one in (*topics, *matters) if _names_a_kind(one[0])]
        far = [[one for one in some if not _names_a_kind(one[0])] for some in (topics, matters)]
        return (*far, near)

    def _other_topics(
        self, told: Set[str], languages: Sequence[str], said: str
    ) -> list[tuple[Matter, str]]:
        """Return topics that are there in all languages; of those ``told``, by name, what asks for
        other people and animals than were spoken of.
        """
        spoken = [topic for topic in self._topics if topic.language in languages]
        is_in_all = Counter(topic.name for topic in spoken)
        kinds = kinds_in(said)
        found = []
        for topic in spoken:
            asked = topic.questions
            if topic.name in told:
                asked = tuple(q for q in asked if kinds_in(q) - kinds)
            if len(asked) > 1 and is_in_all[topic.name] == len(languages):
                matter = Matter(topic.name, asked[:-1], asked[-1])
                found.append((matter, HONEST[topic.language]))
        return found

    def _names(self, topics: Iterable[int]) -> set[str]:
        return {self._topics[t].name for t in topics}


def untold_matters(statements: Sequence[str], topics: Set[str], language: str) -> list[Matter]:
    """Return what people may ask for that was not told: no statement has a word of it, and it
    belongs to none of the topics, by their names. What stands in the list as *near* is another
    thing than its topic ("my middle name"): it was told if one statement has all its words.
    """
    told = [signs(statement) for statement in statements]
    is_ja = language == "ja"
    is_read = all(is_japanese(statement) is is_ja for statement in statements)
    return [
        framed(words, language)
        for topic, lines in sections(f"untold_{language}.txt").items()
        for line in lines
        if not _may_be_told(line, told, topic in topics, is_read=is_read)
        for words in (line.removeprefix(_NEAR),)
    ]


def _may_be_told(line: str, told: Sequence[Set[str]], is_topic: bool, *, is_read: bool) -> bool:
    """``is_topic``: something of its topic was told. ``is_read``: all is in the line's language."""
    asked = signs(line)
    if line.startswith(_NEAR) and is_read:
        return any(asked <= said for said in told)
    return is_topic or any(asked & said for said in told)


def _names_a_kind(matter: Matter) -> bool:
    """Whether some wording asks for a person who is somebody's mother, sister, …, or an animal."""
    return any(map(kinds_in, matter.wordings))


def _sampled(kinds: Sequence[Sequence[T]], count: int, by: random.Random) -> list[T]:
    """Return some of what was never told, of each kind alike as far as there is of it."""
    kinds = [some for some in kinds if some]
    of_each = -(-count // max(1, len(kinds)))
    mixed = [one for some in kinds for one in by.sample(some, min(len(some), of_each))]
    return by.sample(mixed, min(count, len(mixed)))
