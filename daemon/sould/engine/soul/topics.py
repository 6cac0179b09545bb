"""Which questions a statement answers: a bank of plain personal questions, matched by the body.

A question fits a statement if the question is likely to follow the statement, more than other
statements, and if a word of it belongs to the topic; and if, of the topics for which that is so,
the statement, said back, is a likelier reply to it than to others, and than others to it. The
scores, as z-scores over the topics, are added up (LOG.md).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Generator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sould.engine.soul.banks import sections
from sould.engine.soul.chatform import ChatForm, Line
from sould.engine.soul.facts import language_of, said_back
from sould.engine.soul.questions import ASKING, asked_in, heads
from sould.engine.soul.scoring import Scorer

OTHER = -9.0  # the score of topics that were not looked at any further
CANDIDATES = 24
HINT = 6.0  # what a word that belongs to a topic adds to its score
NAMED = 9.0  # … and more if it names the thing that is spoken of ("my sister")
ASKED = 3.0  # what it adds that both tell, or ask for, a place, a time or a person
SURE = 7.0  # a topic that fits a statement so well is meant by it, a lesser one may be
SURE_IF_HINTED = 4.0  # … if a word of the statement belongs to it
CLEAR_SHARE = 0.5  # of a statement's best fit: what fits it less well is not meant by it
ASKED_SHARE = 0.2  # of a topic's wordings that begin with the word for it

BACKGROUND = {
    "en": (
        "I live in Oslo.",
        "My dog is called Rex.",
        "My birthday is on the 4th of May.",
    ),
    "ja": (
        "大阪に住んでいます。",
        "犬の名前はポチです。",
        "誕生日は5月4日です。",
    ),
}
_FOLLOWS = {"en": "Said: {}\nQuestion:", "ja": "発言: {}\n質問:"}
_HINTS = "+ "
_HATES = re.compile(r"\b(?:can't|cannot|can not|couldn't) (?:stand|abide|bear|stomach)\b")
_EARNS = re.compile(r"\bfor a living\b")
_DOES = re.compile(r"\b(?:he|she|it) (?:\w+ly )?\w+s\b")  # somebody else, and not the user
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Topic:
    """Questions that ask for the same, in several wordings. ``hints``: words that belong to it."""

    name: str
    questions: tuple[str, ...]
    hints: frozenset[str] = frozenset()

    @property
    def language(self) -> str:
        """``en`` or ``ja``."""
        return language_of(self.questions[0])

    @cached_property
    def asks(self) -> frozenset[str]:
        """Words that many of its wordings begin with, "where", "when" or "who"."""
        begun = Counter(_WORD.findall(question.lower())[0] for question in self.questions)
        return frozenset(
            word for word in ASKING if begun[word] >= ASKED_SHARE * len(self.questions)
        )


def hinted(topics: Sequence[Topic], text: str) -> list[bool]:
    """Return of each topic whether a word of a text belongs to it, in the singular or plural; in a
    script without spaces, whether such a word is anywhere in it. "She lives" tells nothing of where
    the user does.
    """
    text = _EARNS.sub("as an occupation", _HATES.sub("hate", _DOES.sub("", text.lower())))
    words = set(_WORD.findall(text))
    words |= {word.removesuffix("s") for word in words}
    return [
        any(hint in words if hint.isascii() else hint in text for hint in topic.hints)
        for topic in topics
    ]


def wider(names: Set[str]) -> set[str]:
    """Return the topics that ask for what belongs to others as well, by their names: who told which
    sport they play told of a hobby.
    """
    asks_for = sections("wider_topics.txt")
    return {name for name, narrower in asks_for.items() if names & {*narrower}}


def load_topics(language: str) -> tuple[Topic, ...]:
    """Return the bank of a language, ``en`` or ``ja``."""
    return tuple(map(_topic, *zip(*sections(f"questions_{language}.txt").items(), strict=True)))


def _topic(name: str, lines: Sequence[str]) -> Topic:
    hints = [word for line in lines if line.startswith(_HINTS) for word in line.split()[1:]]
    questions = [line for line in lines if not line.startswith(_HINTS)]
    return Topic(name, tuple(questions), frozenset(hints))


class Matcher:
    """Matches statements to topics of one language. ``encode``: text → ids."""

    def __init__(
        self,
        scorer: Scorer,
        form: ChatForm,
        encode: Callable[[str], list[int]],
        language: str,
    ) -> None:
        self.topics = load_topics(language)
        self._scorer = scorer
        self._form = form
        self._encode = encode
        self.language = language
        self._usual: dict[str, tuple[float, float]] = {}

    @property
    def usual(self) -> dict[str, tuple[float, float]]:
        """How likely background statements make a question, and it them: to be kept, and
        brought back by ``usual.update``.
        """
        return self._usual

    def scores(self, statement: str) -> Generator[None, None, list[float]]:
        """Return how well each topic fits a statement.

        Yields after each small piece of work.
        """
        firsts = [topic.questions[0] for topic in self.topics]
        yield from self.prepare()
        usual = torch.tensor([self._usual[q] for q in firsts])
        forward = yield from self._forward(statement, firsts)
        is_hinted = torch.tensor(hinted(self.topics, statement))
        is_named = torch.tensor(hinted(self.topics, heads(statement)))
        asked = asked_in(statement)
        is_asked = torch.tensor([bool(topic.asks & asked) for topic in self.topics])
        first = _z(forward - usual[:, 0]) + HINT * is_hinted + NAMED * is_named + ASKED * is_asked
        # A hint is enough to be looked at, however unlikely the question.
        some = (first + CANDIDATES * is_hinted).topk(min(CANDIDATES, len(firsts))).indices
        reverse = yield from self._reverse(statement, [firsts[i] for i in some])
        total = torch.full((len(firsts),), OTHER)
        total[some] = first[some] + _z(reverse) + _z(reverse - usual[some, 1])
        # The surer the words are, the less the body need be: many a body's guesses are not so good.
        is_sure = is_hinted & (total >= max(SURE_IF_HINTED, CLEAR_SHARE * float(total.max())))
        total[is_sure] = total[is_sure].clamp_min(SURE)
        return [float(score) for score in total]

    def prepare(self) -> Generator[None, None, None]:
        """Find what is usual for the first wording of every topic, unless it is known."""
        unknown = [t.questions[0] for t in self.topics if t.questions[0] not in self._usual]
        if not unknown:
            return
        sums = torch.zeros(len(unknown), 2)
        for statement in BACKGROUND[self.language]:
            forward = yield from self._forward(statement, unknown)
            reverse = yield from self._reverse(statement, unknown)
            sums += torch.stack([forward, reverse], dim=-1)
        pairs = (sums / len(BACKGROUND[self.language])).tolist()
        self._usual.update(zip(unknown, map(tuple, pairs), strict=True))

    def _forward(self, statement: str, questions: Sequence[str]) -> Generator[None, None, Tensor]:
        """Return ln p(question | statement), in plain text."""
        prefix, lines = following(self._encode, statement, questions)
        return (yield from self._log_p(prefix, lines))

    def _reverse(self, statement: str, questions: Sequence[str]) -> Generator[None, None, Tensor]:
        """Return ln p(statement said back | question), in a chat."""
        reply = said_back(statement)
        lines = [self._form.line(question, reply) for question in questions]
        return (yield from self._log_p(self._form.prefix, lines))

    def _log_p(self, prefix: Sequence[int], lines: Sequence[Line]) -> Generator[None, None, Tensor]:
        return torch.tensor((yield from self._scorer.log_p_in_steps(prefix, lines)))


def following(
    encode: Callable[[str], list[int]], statement: str, questions: Sequence[str]
) -> tuple[list[int], list[Line]]:
    """Return plain text that begins with a statement, and each question that may come next."""
    asked = [encode(f" {question}") for question in questions]
    prefix = encode(_FOLLOWS[language_of(statement)].format(statement))
    return prefix, [Line(ids, list(range(len(ids)))) for ids in asked]


def _z(values: Tensor) -> Tensor:
    return (values - values.mean()) / values.std().clamp_min(1e-6)
