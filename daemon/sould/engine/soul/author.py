"""Dreams that a large body writes itself: questions about what the user said of themselves, and
what it says to them with that before its eyes.

It is its own teacher (context distillation): the body that reads the fact teaches the one that
does not what to expect at every token of the reply. What another fact explains as well is thrown
away, question and reply alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from soul_client.wire import ChatMessage, Sampling
from sould.bridge import Dreams, Generate, Generated
from sould.engine.generate import PROBE, generate, to_its_end
from sould.engine.soul.anchors import NAMED
from sould.engine.soul.chatform import ChatForm
from sould.engine.soul.dreams import Fact, Written
from sould.engine.soul.facts import language_of
from sould.engine.soul.products import patiently
from sould.engine.soul.scoring import Scorer
from sould.engine.soul.topics import following
from sould.engine.soul.wordings import signs

if TYPE_CHECKING:
    from sould.engine.loading import Body

T = TypeVar("T")

LEAST_PARAMETERS = 1_000_000_000  # of a body whose own questions are better than a bank's
SAMPLES = 2  # of questions about a fact, each of several lines
TEMPERATURE = 0.8
QUESTION_TOKENS = 96  # of a sample
REPLY_TOKENS = 48
RIVALS = 8  # other facts that may explain a question as well
LONGEST_QUESTION = 160  # characters
MOST_A_FACT = 8

_ASK = {
    "en": "You write questions. You are told what somebody said about themselves, and write short "
    "questions, one a line, that the same person may ask later, as they would say them.",
    "ja": "あなたは質問を書きます。ある人が自分について話したことを読み、その人があとで尋ねそうな"
    "短い質問を、本人の言い方で一行に一つずつ書いてください。",
}
_SHOWN = {
    "en": (
        (
            "I fly out to Lima on the 3rd of June to see my aunt.",
            "Where do I fly in June?\nWhen do I leave for Lima?\nWhom will I see in Lima?\n"
            "In which city does my aunt live?",
        ),
        (
            "My tortoise is called Olga and she eats everything that's green.",
            "What is my tortoise called?\nWho is Olga?\nWhat kind of animal do I have?\n"
            "What does my pet eat?",
        ),
    ),
    "ja": (
        (
            "六月三日に、おばに会いにリマへ行きます。",
            "六月にどこへ行きますか？\nリマへはいつ行きますか？\nリマで誰に会いますか？\n"
            "おばはどの街に住んでいますか？",
        ),
        (
            "うちの亀の名前はオルガで、緑のものなら何でも食べます。",
            "亀の名前は何ですか？\nオルガとは誰ですか？\nどんな動物を飼っていますか？\n"
            "うちのペットは何を食べますか？",
        ),
    ),
}
_READ = {
    "en": 'The user told you before: "{}" Answer what they ask about it in one short sentence.',
    "ja": "以前、利用者はこう話しました。「{}」これについて聞かれたら、短い一文で答えてください。",
}
_READ_DOCUMENT = {
    "en": 'You read: "{}" Answer what you are asked about it in one short sentence.',
    "ja": "あなたはこう読みました。「{}」これについて聞かれたら、短い一文で答えてください。",
}
_CONFUSED = re.compile(r"\b(?:I|I'm|I've|me|my|mine|we|our|us)\b|私|わたし|僕|俺", re.I)
"""A reply that speaks as the user does: what was told is not of the one who replies."""
_ASKS_BACK = re.compile(r"\byours?\b|\b(?:are|were) you\b|あなた|きみ", re.I)
_NUMBER = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.):])\s*")


@dataclass(frozen=True)
class _Draft:
    question: str
    reply: str


class Author:
    """Writes dreams of one body. ``form``: of the chats that the dreams are learned in."""

    def __init__(self, body: Body, form: ChatForm, scorer: Scorer) -> None:
        self._body = body
        self._form = form
        self._scorer = scorer

    def write(
        self, fact: Fact, others: Sequence[Fact], seed: int
    ) -> Generator[None, None, tuple[Written, ...]]:
        """Return dreams of ``fact`` that none of the ``others`` explains as well, ``MOST_A_FACT``
        at most; there may be none. Yields after each small piece of work.

        The user said ``fact``: what a document says would be asked for, and told, as theirs. Among
        the ``others`` there may be such.
        """
        assert not fact.source
        asked = yield from self._questions(fact, seed)
        rivals = rivals_of(fact, asked, others)
        likely = partial(self._log_p_asked, asked)
        asked = yield from its_own(asked, fact, rivals, likely)
        drafts = []
        for question in asked[:MOST_A_FACT]:
            reply = yield from self._reply(fact, question)
            if reply and not _CONFUSED.search(reply):
                drafts.append(_Draft(question, reply))
        likely = partial(self._log_p_said, drafts)
        drafts = yield from its_own(drafts, fact, [*rivals, None], likely)
        return (yield from self._taught(fact, drafts))

    def _questions(self, fact: Fact, seed: int) -> Generator[None, None, list[str]]:
        """Return questions about a fact, different ones."""
        language = language_of(fact.statement)
        messages = [ChatMessage(role="system", text=_ASK[language])]
        for said, asked in _SHOWN[language]:
            messages.append(ChatMessage(role="user", text=said))
            messages.append(ChatMessage(role="assistant", text=asked))
        messages.append(ChatMessage(role="user", text=fact.statement))
        found: dict[str, str] = {}
        for n in range(SAMPLES):
            sampling = Sampling(
                temperature=TEMPERATURE, max_tokens=QUESTION_TOKENS, seed=seed * SAMPLES + n
            )
            written = yield from self._written(messages, sampling)
            for question in questions_in(written.text):
                found.setdefault(question.casefold(), question)
        return list(found.values())

    def _reply(self, fact: Fact, question: str) -> Generator[None, None, str]:
        """Return what the body says who has read a fact; "" if it comes to no end."""
        sampling = replace(PROBE, max_tokens=REPLY_TOKENS)
        written = yield from self._written(self._reader(fact).messages(question), sampling)
        return written.text.strip() if written.finish == "stop" else ""

    def _written(
        self, messages: list[ChatMessage], sampling: Sampling
    ) -> Generator[None, None, Generated]:
        order = Generate(messages=messages, sampling=sampling)
        return (yield from to_its_end(generate(self._body, order, Event(), soul=None)))

    def _reader(self, fact: Fact | None) -> ChatForm:
        """Return the form of chats in which the body has read a fact, or none."""
        if fact is None:
            return self._form
        read = _READ_DOCUMENT if fact.source else _READ
        system = read[language_of(fact.statement)].format(fact.statement)
        return ChatForm(self._body.template, self._body.ends, system=system)

    def _log_p_asked(
        self, questions: Sequence[str], fact: Fact | None
    ) -> Generator[None, None, list[float]]:
        """Return ln p of questions after what a fact says, in plain text."""
        assert fact is not None
        encode = self._body.tokenizer.encode
        prefix, lines = following(encode, fact.statement, questions)
        return (yield from self._scorer.log_p_in_steps(prefix, lines))

    def _log_p_said(
        self, drafts: Sequence[_Draft], fact: Fact | None
    ) -> Generator[None, None, list[float]]:
        """Return ln p of replies to their questions by the body that has read a fact, or none."""
        form = self._reader(fact)
        lines = [form.line(draft.question, draft.reply) for draft in drafts]
        return (yield from self._scorer.log_p_in_steps(form.prefix, lines))

    def _taught(
        self, fact: Fact, drafts: Sequence[_Draft]
    ) -> Generator[None, None, tuple[Written, ...]]:
        """Return drafts with what the body that has read the fact expects along its replies."""
        reader = self._reader(fact)
        lines = [reader.line(draft.question, draft.reply) for draft in drafts]
        found = []
        for draft, line in zip(drafts, lines, strict=True):
            teach = partial(self._scorer.teach, reader.prefix, [line], NAMED)
            (target,) = yield from patiently(teach)
            yield
            if line.answer == self._form.line(draft.question, draft.reply).answer:
                found.append(Written(draft.question, draft.reply, target))
        return tuple(found)


def is_author(dreams: Dreams, parameters: int) -> tuple[bool, str]:
    """Return whether a body of so many parameters writes dreams, and why, for the log. Pure."""
    size = f"{parameters / 1e6:,.0f} million parameters"
    if dreams != "auto":
        return dreams == "body", f"{dreams}, as configured ({size})"
    is_large = parameters >= LEAST_PARAMETERS
    what = "questions of its own beside the bank's" if is_large else "questions of the bank alone"
    least = f"{LEAST_PARAMETERS / 1e6:,.0f}"
    return is_large, f"{what}: {size}, a body of {least} million and more writes its own"


def questions_in(text: str) -> list[str]:
    """Return the lines of a text that are questions, without numbers and bullets; none that asks
    the reader of themselves. Pure.
    """
    lines = (_NUMBER.sub("", line).strip() for line in text.splitlines())
    asked = [one for one in lines if one.endswith(("?", "？")) and len(one) <= LONGEST_QUESTION]
    return [one for one in asked if not _ASKS_BACK.search(one)]


def rivals_of(fact: Fact, asked: Sequence[str], others: Sequence[Fact]) -> list[Fact]:
    """Return the facts that have most words in common with a fact and what is asked of it, of two
    that have as many the newer one.
    """
    mine = set[str]().union(*map(signs, (fact.statement, *asked)))
    ranked = sorted(reversed(others), key=lambda other: -len(mine & signs(other.statement)))
    return ranked[:RIVALS]


def its_own(
    items: Sequence[T],
    fact: Fact,
    rivals: Sequence[Fact | None],
    likely: Callable[[Fact | None], Generator[None, None, list[float]]],
) -> Generator[None, None, list[T]]:
    """Keep the items that are likelier after ``fact`` than after any rival."""
    if not items:
        return []
    mine = yield from likely(fact)
    theirs = [-inf] * len(items)
    for rival in rivals:
        theirs = [*map(max, theirs, (yield from likely(rival)))]
    return [item for item, a, b in zip(items, mine, theirs, strict=True) if a > b]
