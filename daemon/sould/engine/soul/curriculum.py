"""Which questions each fact is learned with: a topic belongs to one fact."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from sould.bridge import Probe
from sould.engine.soul.cues import cues
from sould.engine.soul.facts import gist, language_of, said_back
from sould.engine.soul.questions import (
    Matter,
    asked_in,
    asks_for_another,
    kinds_in,
    matters,
    untold_matters,
)
from sould.engine.soul.readings import readings
from sould.engine.soul.topics import OTHER, Topic, hinted

T = TypeVar("T")

MOST_TOPICS = 3
HONEST = {
    "en": "You haven't told me that.",
    "ja": "まだ聞いていません。",
}
OWN_SHARE = 0.5  # of the questions that are made of the statement's own words, where there are any
CUE_SHARE = 0.25  # of these, where a statement says more than what it is about
LENT_SHARE = 0.25  # of the dreams of a fact: most of them are our own
RESTING_SHARE = 0.25
NEW = 2.0  # nats a token, of what was not asked yet
LEAST_NEED = 0.1  # nats a token: what is known well is asked for all the same
LATELY = 0.3  # the weight of the last loss in a running mean
UNTOLD_DREAMS = 480  # different ones
LEAST_UNTOLD, MOST_UNTOLD = 0.2, 0.45  # of the dreams
SURE = 7.0  # a topic that fits a statement so well is meant by it, a lesser one may be
CLEAR_SHARE = 0.5  # of a statement's best fit: what fits it less well is not meant by it


@dataclass(frozen=True)
class Fact:
    """What a record tells. ``fits``: how well each topic fits it. ``source``: the document that
    says it, in the third person, under ``heading``; "" is the user, of themselves. ``lent``: other
    people's questions about it, with their answers.
    """

    id: str
    statement: str
    fits: tuple[float, ...]
    source: str = ""
    heading: str = ""
    lent: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Dream:
    """A question and the answer to learn, in words. ``fact``: None where there is none to tell."""

    fact: Fact | None
    question: str
    answer: str


class Curriculum:
    """Deals dreams of facts, oldest fact first.

    Every topic goes to the fact it surely fits best, of two that it fits alike to the newer one; a
    fact that is left with none takes the one that fits it best all the same: if it has no questions
    in its own words, or if these ask for a place, a time or a person as that topic does. A fact is
    asked about with up to ``MOST_TOPICS`` of its topics, the best ones most often, and with
    questions made of its own words. One wording of each is never dealt, but to an exam.

    ``resting``: ids of facts that a review asks for at ``RESTING_SHARE`` of the rate of others.
    ``is_all``: there are no other facts that the soul knows; else nobody can say what was never
    told.

    Of the dreams of a fact some are its ``lent`` ones, but for those in the words of the exam.

    What a document says has no topic, and none is told by it: it is asked for with questions
    made of its own words alone, and answered as it stands.
    """

    def __init__(
        self,
        topics: Sequence[Topic],
        facts: Sequence[Fact],
        seed: int,
        resting: Set[str] = frozenset(),
        *,
        is_all: bool = True,
    ) -> None:
        self.facts = list(facts)
        self._resting = resting
        self._topics = topics
        self._random = random.Random(seed)
        self._own = _only_ones(facts, {fact.id: _matters(fact) for fact in facts})
        for fact in facts:
            if fact.source and not self._own[fact.id]:  # asked for by its beginning all the same
                self._own[fact.id] = list(_matters(fact)[-1:])
        self._cues = _only_ones(facts, {fact.id: _cues(fact) for fact in facts})
        self._owned = {
            fact.id: self._but_for_guesses(fact, owned)
            for fact, owned in zip(facts, shared_out(facts), strict=True)
        }
        self._losses: dict[str, float] = {}  # by fact, of late; "": of what was never told
        self._untold_losses: dict[str, float] = {}  # by question, the last time
        self._is_all = is_all
        self._questions = {
            (fact.id, topic): self._fitting(fact, topic)
            for fact in facts
            for topic in self._owned[fact.id]
        }
        self._lent = {fact.id: self._but_for_the_exam(fact) for fact in facts}

    def held_out(self, fact: Fact) -> Dream:
        """Return a dream in words that are in no other one, the same every time."""
        own, owned = self._own[fact.id], self._owned[fact.id]
        question = own[0].held_out if own else self._questions[fact.id, owned[0]][-1]
        return Dream(fact, question, _answer(fact, "?"))

    def untold_held_out(self, count: int) -> list[Dream]:
        """Return dreams of what was never told, in words that are in no other one; the same ones
        every time for the same facts.
        """
        return [
            Dream(None, matter.held_out, honest)
            for matter, honest in _sampled(self._untold, count, random.Random(0))
        ]

    def dreams(self, fact: Fact, count: int) -> list[Dream]:
        """Return dreams of one fact, in different wordings as far as there are any."""
        owned = self._owned[fact.id]
        weights = [max(fact.fits[t], 0.5) for t in owned]
        seen: set[str] = set()
        found = []
        lent = self._lent[fact.id]
        for _ in range(count):
            if lent and self._random.random() < LENT_SHARE:
                found.append(Dream(fact, *self._random.choice(lent)))
                continue
            questions = self._wordings(fact, owned, weights)
            fresh = [q for q in questions if q not in seen] or list(questions)
            question = self._random.choice(fresh)
            seen.add(question)
            found.append(Dream(fact, question, _answer(fact, question)))
        return found

    def _but_for_guesses(self, fact: Fact, owned: Sequence[int]) -> list[int]:
        """Leave out topics that a fact is hardly about."""
        meant, asked = set(meant_topics(fact)), asked_in(gist(fact.statement))
        return [
            topic
            for topic in owned
            if topic in meant or not self._own[fact.id] or self._topics[topic].asks & asked
        ]

    def _but_for_the_exam(self, fact: Fact) -> list[tuple[str, str]]:
        if not fact.lent:
            return []
        asked = self.held_out(fact).question.casefold()
        return [one for one in fact.lent if one[0].casefold() != asked]

    def _wordings(
        self, fact: Fact, owned: Sequence[int], weights: Sequence[float]
    ) -> Sequence[str]:
        own, beside = self._own[fact.id], self._cues[fact.id]
        if own and (not owned or self._random.random() < OWN_SHARE):
            is_cue = beside and self._random.random() < CUE_SHARE
            return self._random.choice(beside if is_cue else own).wordings
        (topic,) = self._random.choices(owned, weights)
        questions = self._questions[fact.id, topic]
        return questions[:-1] or questions

    def _fitting(self, fact: Fact, topic: int) -> Sequence[str]:
        """Return the wordings of a topic that may ask for a fact."""
        questions = self._topics[topic].questions
        return [q for q in questions if not asks_for_another(q, fact.statement)] or questions

    def rehearsal(self, fact: Fact, count: int) -> list[Dream]:
        """Return one dream each of facts other than this one, different ones if there are."""
        others = [other for other in self.facts if other.id != fact.id]
        chosen = self._random.sample(others, min(count, len(others)))
        return [dream for other in chosen for dream in self.dreams(other, 1)]

    def review(self, count: int) -> list[Dream]:
        """Return dreams of facts, the more often of one the higher its loss was of late."""
        chosen = self._random.choices(self.facts, [self._need(f) for f in self.facts], k=count)
        asked: dict[str, int] = {fact.id: chosen.count(fact) for fact in self.facts}
        return [dream for fact in self.facts for dream in self.dreams(fact, asked[fact.id])]

    def mixed(self, count: int) -> list[Dream]:
        """Return dreams of facts and of what was never told, by their losses; some of either in any
        case.
        """
        facts = sum(map(self._need, self.facts)) / len(self.facts)
        share = self._losses.get("", NEW) / (self._losses.get("", NEW) + facts)
        least, most = max(1, round(LEAST_UNTOLD * count)), int(MOST_UNTOLD * count)
        untold = self._untold_review(max(least, min(round(share * count), most)))
        return [*self.review(count - len(untold)), *untold]

    def note(self, dreams: Sequence[Dream], losses: Sequence[float]) -> None:
        """Take note of the losses, nats a token, that dreams were learned at."""
        for dream, loss in zip(dreams, losses, strict=True):
            if dream.fact is None:
                self._untold_losses[dream.question] = loss
            key = dream.fact.id if dream.fact else ""
            before = self._losses.get(key, loss)
            self._losses[key] = before + LATELY * (loss - before)

    def untold(self, count: int) -> list[Dream]:
        """Return dreams of what no fact has anything to do with, and honest answers: always of the
        same ``UNTOLD_DREAMS``, which cost less each time they are gone over again.
        """
        return _sampled(self._untold_dreams, count, self._random)

    def _untold_review(self, count: int) -> list[Dream]:
        """Return dreams of what was never told, of each kind alike, and the more often of one the
        higher its loss was the last time: what is taken for something told comes again.
        """
        kinds = [kind for kind in self._untold_dreams if kind]
        chosen = self._random.choices(kinds, k=count) if kinds else []
        return [self._random.choices(kind, [*map(self._unsure, kind)])[0] for kind in chosen]

    def _unsure(self, untold: Dream) -> float:
        return max(LEAST_NEED, self._untold_losses.get(untold.question, NEW))

    @cached_property
    def _untold_dreams(self) -> list[list[Dream]]:
        kinds = [
            [Dream(None, asked, honest) for matter, honest in some for asked in matter.wordings]
            for some in self._untold
        ]
        most = UNTOLD_DREAMS // max(1, len(kinds))
        return [self._random.sample(some, min(most, len(some))) for some in kinds]

    def _need(self, fact: Fact) -> float:
        share = RESTING_SHARE if fact.id in self._resting else 1.0
        return share * max(LEAST_NEED, self._losses.get(fact.id, NEW))

    @cached_property
    def _untold(self) -> tuple[list[tuple[Matter, str]], ...]:
        """What no fact tells, and what to say then, in the languages of the facts: topics, in all
        their wordings, and single matters; if a person or animal was told of, those of other ones
        apart, which are easily taken for them.
        """
        if not self._is_all:
            return ()
        statements = [fact.statement for fact in self.facts if not fact.source]
        told = {t for owned in self._owned.values() for t in owned}
        told |= {t for fact in self.facts for t in _possible(fact)}
        languages = sorted({language_of(fact.statement) for fact in self.facts})
        matters = [
            (matter, HONEST[language])
            for language in languages
            for matter in untold_matters(statements, self._names(told), language)
        ]
        said = "\n".join(statements)
        told |= {t for t, is_so in enumerate(hinted(self._topics, said)) if is_so}
        names, kinds = self._names(told), kinds_in(said)
        spoken = [topic for topic in self._topics if topic.language in languages]
        is_in_all = Counter(topic.name for topic in spoken)
        topics = []
        for topic in spoken:
            asked = topic.questions
            if topic.name in names:  # of other people than those who were told of
                asked = tuple(q for q in asked if kinds_in(q) - kinds)
            if len(asked) > 1 and is_in_all[topic.name] == len(languages):
                matter = Matter(topic.name, asked[:-1], asked[-1])
                topics.append((matter, HONEST[topic.language]))
        if not kinds:
            return topics, matters
        near = [one for one in (*topics, *matters) if _names_a_kind(one[0])]
        far = [[one for one in some if not _names_a_kind(one[0])] for some in (topics, matters)]
        return (*far, near)

    def _names(self, topics: Iterable[int]) -> set[str]:
        return {self._topics[t].name for t in topics}


def _names_a_kind(matter: Matter) -> bool:
    """Whether some wording asks for a person who is somebody's mother, sister, …, or an animal."""
    return any(map(kinds_in, matter.wordings))


def _sampled(kinds: Sequence[Sequence[T]], count: int, by: random.Random) -> list[T]:
    """Return some of what was never told, of each kind alike as far as there is of it."""
    kinds = [some for some in kinds if some]
    of_each = -(-count // max(1, len(kinds)))
    mixed = [one for some in kinds for one in by.sample(some, min(len(some), of_each))]
    return by.sample(mixed, min(count, len(mixed)))


def with_lent(facts: Sequence[Fact], dreams: Sequence[Probe]) -> list[Fact]:
    """Return facts with the questions that others ask about them. Pure."""
    lent: dict[str, tuple[tuple[str, str], ...]] = {}
    for one in dreams:
        lent[one.id] = (*lent.get(one.id, ()), (one.question, one.answer))
    return [replace(fact, lent=lent.get(fact.id, ())) for fact in facts]


def _only_ones(
    facts: Sequence[Fact], asked: Mapping[str, Sequence[Matter]]
) -> dict[str, list[Matter]]:
    """Return what can be asked of each fact alone. What two of them tell belongs to the newer one;
    of documents to the first, which says what a thing is; to the user's rather than to those.
    """
    by_rank = [fact for fact in reversed(facts) if fact.source]
    by_rank += [fact for fact in facts if not fact.source]
    owner = {matter.words: fact.id for fact in by_rank for matter in asked[fact.id]}
    return {id_: [one for one in some if owner[one.words] == id_] for id_, some in asked.items()}


def _matters(fact: Fact) -> tuple[Matter, ...]:
    if fact.source:
        return readings(fact.statement, fact.heading)
    return matters(gist(fact.statement))


def _cues(fact: Fact) -> tuple[Matter, ...]:
    return () if fact.source else cues(fact.statement)


def _answer(fact: Fact, question: str) -> str:
    """Answer a question with the gist of a statement, a request with all of it; with what a
    document says, word by word.
    """
    if fact.source:
        return fact.statement
    is_request = question.endswith((".", "。"))
    return said_back(fact.statement if is_request else gist(fact.statement))


def meant_topics(fact: Fact) -> list[int]:
    """Return the topics that surely fit a fact, and none that fits it much less than the best."""
    least = max(SURE, CLEAR_SHARE * max(fact.fits, default=0.0))
    return [topic for topic, fit in enumerate(fact.fits) if fit >= least]


def _possible(fact: Fact) -> list[int]:
    """Return the topics that a fact may be about: without a sure one, all that were looked at."""
    least = CLEAR_SHARE * max(fact.fits) if meant_topics(fact) else OTHER
    return [topic for topic, fit in enumerate(fact.fits) if fit > least]


def shared_out(facts: Sequence[Fact]) -> list[list[int]]:
    """Return for each fact the indices of its topics, best first: one at least, but none for what
    a document says. Pure.
    """
    owned: list[list[int]] = [[] for _ in facts]
    n_topics = len(facts[0].fits) if facts else 0
    users = [i for i, fact in enumerate(facts) if not fact.source]
    clear = {i: set(meant_topics(facts[i])) for i in users}
    for topic in range(n_topics if users else 0):
        by = [i for i in users if topic in clear[i]]
        if by:
            owned[max(by, key=lambda i: (facts[i].fits[topic], i))].append(topic)
    taken = {topic for topics in owned for topic in topics}
    for fact, topics in ((facts[i], owned[i]) for i in users):
        topics.sort(key=lambda topic: -fact.fits[topic])
        del topics[MOST_TOPICS:]
        if not topics:
            free = [t for t in range(n_topics) if t not in taken] or list(range(n_topics))
            topics.append(max(free, key=lambda topic: fact.fits[topic]))
            taken.add(topics[0])
    return owned
