"""Which questions each fact is learned with: a topic belongs to one fact."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sould.engine.soul.facts import gist, is_japanese, said_back
from sould.engine.soul.topics import FITS, Topic

MOST_TOPICS = 3
HONEST_EN = ("You haven't told me that.", "I don't know, you haven't told me yet.")
HONEST_JA = ("まだ聞いていません。", "それはまだ教えてもらっていません。")
WHOLE_SHARE = 0.25  # of the answers that say all of the statement, not its gist alone


@dataclass(frozen=True)
class Fact:
    """What a record tells. ``fits``: how well each topic fits it."""

    id: str
    statement: str
    fits: tuple[float, ...]


@dataclass(frozen=True)
class Dream:
    """A question and the answer to learn, in words. ``fact``: None where there is none to tell."""

    fact: Fact | None
    question: str
    answer: str


class Curriculum:
    """Deals dreams of facts, oldest fact first.

    Every topic goes to the fact it fits best, of two that it fits alike to the newer one; a
    fact that is left with none takes the one that fits it best all the same. A fact is asked
    about with up to ``MOST_TOPICS`` of its topics, the best ones most often.
    """

    def __init__(self, topics: Sequence[Topic], facts: Sequence[Fact], seed: int) -> None:
        self.facts = list(facts)
        self._topics = topics
        self._random = random.Random(seed)
        self._free = [
            topic for t, topic in enumerate(topics) if all(fact.fits[t] < FITS for fact in facts)
        ]
        self._honest = HONEST_JA if any(is_japanese(f.statement) for f in facts) else HONEST_EN
        self._owned = {fact.id: owned for fact, owned in zip(facts, shared_out(facts), strict=True)}

    def best_topic(self, fact: Fact) -> Topic:
        """Return the topic of a fact that fits it best."""
        return self._topics[self._owned[fact.id][0]]

    def dreams(self, fact: Fact, count: int) -> list[Dream]:
        """Return dreams of one fact, in different wordings as far as there are any."""
        owned = self._owned[fact.id]
        weights = [max(fact.fits[t], 0.5) for t in owned]
        seen: set[str] = set()
        found = []
        for _ in range(count):
            (topic,) = self._random.choices(owned, weights)
            questions = self._topics[topic].questions
            fresh = [q for q in questions if q not in seen] or list(questions)
            question = self._random.choice(fresh)
            seen.add(question)
            found.append(Dream(fact, question, self._answer(fact)))
        return found

    def rehearsal(self, fact: Fact, count: int) -> list[Dream]:
        """Return one dream each of facts other than this one, different ones if there are."""
        others = [other for other in self.facts if other.id != fact.id]
        chosen = self._random.sample(others, min(count, len(others)))
        return [dream for other in chosen for dream in self.dreams(other, 1)]

    def review(self, count: int) -> list[Dream]:
        """Return dreams of as many facts as there are, all alike."""
        chosen = self._random.sample(self.facts, min(count, len(self.facts)))
        return [dream for fact in chosen for dream in self.dreams(fact, 1)]

    def untold(self, count: int) -> list[Dream]:
        """Return dreams of questions that no fact has anything to do with, and honest answers."""
        chosen = self._random.sample(self._free, min(count, len(self._free)))
        return [
            Dream(None, self._random.choice(topic.questions), self._random.choice(self._honest))
            for topic in chosen
        ]

    def _answer(self, fact: Fact) -> str:
        is_whole = self._random.random() < WHOLE_SHARE
        return said_back(fact.statement if is_whole else gist(fact.statement))


def shared_out(facts: Sequence[Fact]) -> list[list[int]]:
    """Return for each fact the indices of its topics, best first, one at least. Pure."""
    owned: list[list[int]] = [[] for _ in facts]
    n_topics = len(facts[0].fits) if facts else 0
    for topic in range(n_topics):
        best = max(range(len(facts)), key=lambda i: (facts[i].fits[topic], i))
        if facts[best].fits[topic] >= FITS:
            owned[best].append(topic)
    taken = {topic for topics in owned for topic in topics}
    for fact, topics in zip(facts, owned, strict=True):
        topics.sort(key=lambda topic: -fact.fits[topic])
        del topics[MOST_TOPICS:]
        if not topics:
            free = [t for t in range(n_topics) if t not in taken] or list(range(n_topics))
            topics.append(max(free, key=lambda topic: fact.fits[topic]))
            taken.add(topics[0])
    return owned
