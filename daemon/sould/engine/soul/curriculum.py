"""Which questions each fact is learned with: a topic belongs to one fact."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from sould.engine.soul.cues import cues
from sould.engine.soul.dreams import LEAST_NEED, NEW, Dream, Fact, meant_topics, shared_out
from sould.engine.soul.facts import gist, said_back
from sould.engine.soul.questions import asked_in, asks_for_another, matters
from sould.engine.soul.readings import readings
from sould.engine.soul.topics import Topic
from sould.engine.soul.untold import Untold
from sould.engine.soul.wordings import Matter

OWN_SHARE = 0.5  # of the questions that are made of the statement's own words, where there are any
CUE_SHARE = 0.25  # of these, where a statement says more than what it is about
LENT_SHARE = 0.25  # of the dreams of a fact: most of them are our own
WRITTEN_SHARE = 0.5  # of these, if its body wrote any
RESTING_SHARE = 0.25  # of what is due, at least
LATELY = 0.3  # the weight of the last loss in a running mean
BEGUN_SHARE = 2 / 3  # of the dreams whose end is known: only how they begin is learned
ENDS = 0.3  # nats: a whole answer none of whose tokens is known worse is known to its end
LEAST_UNTOLD, MOST_UNTOLD = 0.27, 0.45  # of the dreams


class Curriculum:
    """Deals dreams of facts, oldest fact first.

    Every topic goes to the fact it surely fits best, of two that it fits alike to the newer one; a
    fact that is left with none takes the one that fits it best all the same: if it has no questions
    in its own words, or if these ask for a place, a time or a person as that topic does. A fact is
    asked about with up to ``MOST_TOPICS`` of its topics, the best ones most often, and with
    questions made of its own words. One wording of each is never dealt, but to an exam.

    ``resting``: ids of facts that a review asks for at ``resting_share`` of the rate of others.
    ``untold``: what was never told. ``is_all``: there are no other facts that the soul knows; else
    nobody can say what that is.

    Of the dreams of a fact some are its ``lent`` and its ``written`` ones, but for those in the
    words of the exam.

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
        resting_share: float = RESTING_SHARE,
        is_all: bool = True,
    ) -> None:
        self.facts = list(facts)
        self._resting = resting
        self._resting_share = resting_share
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
        self._ends: dict[str, float] = {}  # by fact, of the worst token of the last whole answer
        self._questions = {
            (fact.id, topic): self._fitting(fact, topic)
            for fact in facts
            for topic in self._owned[fact.id]
        }
        asked = {fact.id: self.held_out(fact).question.casefold() for fact in facts}
        self._lent = {
            fact.id: [one for one in fact.lent if one[0].casefold() != asked[fact.id]]
            for fact in facts
        }
        self._written = {
            fact.id: [one for one in fact.written if one.question.casefold() != asked[fact.id]]
            for fact in facts
        }
        owned = {topic for topics in self._owned.values() for topic in topics}
        self.untold = Untold(topics, facts if is_all else (), owned, self._random)

    def held_out(self, fact: Fact) -> Dream:
        """Return a dream in words that are in no other one, the same every time."""
        own, owned = self._own[fact.id], self._owned[fact.id]
        question = own[0].held_out if own else self._questions[fact.id, owned[0]][-1]
        return Dream(fact, question, _answer(fact, "?"))

    def dreams(self, fact: Fact, count: int) -> list[Dream]:
        """Return dreams of one fact, in different wordings as far as there are any."""
        owned = self._owned[fact.id]
        weights = [max(fact.fits[t], 0.5) for t in owned]
        seen: set[str] = set()
        found = []
        lent, written = self._lent[fact.id], self._written[fact.id]
        for _ in range(count):
            if lent and self._random.random() < LENT_SHARE:
                found.append(Dream(fact, *self._random.choice(lent)))
                continue
            if written and self._random.random() < WRITTEN_SHARE:
                one = self._random.choice(written)
                found.append(Dream(fact, one.question, one.answer, target=one.target))
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

    def _wordings(
        self, fact: Fact, owned: Sequence[int], weights: Sequence[float]
    ) -> Sequence[str]:
        own, beside = self._own[fact.id], self._cues[fact.id]
        if own and (not owned or self._random.random() < OWN_SHARE):
            is_cue = beside and self._random.random() < CUE_SHARE
            return self._random.choice(beside if is_cue else own).wordings
        (topic,) = self._random.choices(owned, weights)
        questions = self._questions[fact.id, topic]
        return questions[:-1]

    def _fitting(self, fact: Fact, topic: int) -> Sequence[str]:
        """Return the wordings of a topic that may ask for a fact, the exam's and others."""
        questions = self._topics[topic].questions
        fitting = [q for q in questions if not asks_for_another(q, fact.statement)]
        return fitting if len(fitting) > 1 else questions

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
        case. Most are learned but to where the answer has begun, which is quicker: there it is
        decided what is told, and whether anything is.
        """
        facts = sum(map(self._need, self.facts)) / len(self.facts)
        share = self._losses.get("", NEW) / (self._losses.get("", NEW) + facts)
        wanted = count * min(max(share, LEAST_UNTOLD), MOST_UNTOLD)
        untold = self.untold.review(int(wanted + self._random.random()))
        return [*map(self._cut, [*self.review(count - len(untold)), *untold])]

    def _cut(self, dream: Dream) -> Dream:
        """Leave out the end of an answer that is known; never of what documents say, which often
        differs late.
        """
        fact = dream.fact
        if fact is not None and (fact.source or self._ends.get(fact.id, NEW) > ENDS):
            return dream
        return replace(dream, is_whole=self._random.random() >= BEGUN_SHARE)

    def note(
        self, dreams: Sequence[Dream], losses: Sequence[float], worst: Sequence[float]
    ) -> None:
        """Take note of the losses, nats a token, that dreams were learned at. ``worst``: of each
        that of its worst token, which a mean over a long answer would hide.
        """
        for dream, loss, end in zip(dreams, losses, worst, strict=True):
            if dream.fact is None:
                self.untold.note(dream, loss)
            elif dream.is_whole:
                self._ends[dream.fact.id] = end
            key = dream.fact.id if dream.fact else ""
            before = self._losses.get(key, loss)
            self._losses[key] = before + LATELY * (loss - before)

    def _need(self, fact: Fact) -> float:
        share = self._resting_share if fact.id in self._resting else 1.0
        return share * max(LEAST_NEED, self._losses.get(fact.id, NEW))


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
