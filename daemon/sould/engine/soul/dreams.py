"""What is gone over in a lesson or a night: facts, and questions about them with their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sould.bridge import Probe
from sould.engine.soul.targets import Target
from sould.engine.soul.topics import CLEAR_SHARE, OTHER, SURE

MOST_TOPICS = 3
NEW = 2.0  # nats a token, of what was not asked yet
LEAST_NEED = 0.1  # nats a token: what is known well is asked for all the same


@dataclass(frozen=True)
class Written:
    """A question that a body wrote, and what it replied who had read the fact. ``target``: what it
    expected along the reply, up to the token that ends it.
    """

    question: str
    answer: str
    target: Target = field(compare=False, repr=False)


@dataclass(frozen=True)
class Fact:
    """What a record tells. ``fits``: how well each topic fits it. ``source``: the document that
    says it, in the third person, under ``heading``; "" is the user, of themselves. ``lent``: other
    people's questions about it, with their answers. ``written``: the body's own.
    """

    id: str
    statement: str
    fits: tuple[float, ...]
    source: str = ""
    heading: str = ""
    lent: tuple[tuple[str, str], ...] = ()
    written: tuple[Written, ...] = ()


@dataclass(frozen=True)
class Dream:
    """A question and the answer to learn, in words. ``fact``: None where there is none to tell.
    ``is_whole``: the answer is learned to its end, and not only how it begins. ``target``: what a
    teacher expects along the answer; None: nothing but the answer.
    """

    fact: Fact | None
    question: str
    answer: str
    is_whole: bool = True
    target: Target | None = field(default=None, compare=False, repr=False)


def with_lent(facts: Sequence[Fact], dreams: Sequence[Probe]) -> list[Fact]:
    """Return facts with the questions that others ask about them. Pure."""
    lent: dict[str, tuple[tuple[str, str], ...]] = {}
    for one in dreams:
        lent[one.id] = (*lent.get(one.id, ()), (one.question, one.answer))
    return [replace(fact, lent=lent.get(fact.id, ())) for fact in facts]


def meant_topics(fact: Fact) -> list[int]:
    """Return the topics that surely fit a fact, and none that fits it much less than the best."""
    least = max(SURE, CLEAR_SHARE * max(fact.fits, default=0.0))
    return [topic for topic, fit in enumerate(fact.fits) if fit >= least]


def possible_topics(fact: Fact) -> list[int]:
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
