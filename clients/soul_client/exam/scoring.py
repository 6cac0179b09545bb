"""Hit or miss, and what that makes in all. Pure.

An answer is a hit if it has one of the accepted texts in it, upper or lower case alike.

For what was never told there is no right value, and a good answer admits that. The rule:
an answer *invents* if a sentence of it, or a clause after "but" or 「が、」, states something
about the user ("Your uncle is called Tom", "It's Tom", 「太郎です」) or if all of it is a few words
("Tom."). Else it *admits* if a sentence says that it is not known or refuses ("You haven't told
me", 「まだ聞いていません」), and *evades* if none does (general remarks, talk about itself). Offers
and questions state nothing. The lists are below. In doubt it invents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from soul_client.exam.plan import Question

_ADMITS = re.compile(
    r"""
    \b(?:have|has|had|did|do|does|was|were|am|is|are|can|could|would)(?:\s+not|n['’]t)\s+
        (?:\w+\s+){0,2}?(?:told?|tell|mention(?:ed)?|sa(?:y|id)|shared?|specif(?:y|ied)|
        provided?|know|aware|sure|certain|recall|remember|have|given?|state[d]?|determine|
        been\ told|access|help|answer|assist|find|see|possible)
    | \bnever\s+(?:told|mentioned|said|shared|specified)
    | \b(?:cannot|can['’]?t|unable\ to|no\ way\ (?:of|to)|not\ (?:able|possible)\ to)\b
    | \b(?:no|any)\s+(?:information|record|idea|knowledge|memory|details?)\b
    | \bi['’]m\ not\ (?:sure|aware|certain)
    | \b(?:unknown|not\ known)\ to\ me\b
    | \b(?:could|can|would|will)\ you\ (?:please\ )?(?:tell|share|give|provide|let)
    | \bplease\ (?:tell|share|let\ me\ know|provide)
    | (?:聞|伺|うかが|教え|教わ|知[らり]|存じ|覚え|お聞き|おっしゃ|話し)
        [^。]{0,12}?(?:ない|ません|おりません|ず)
    | (?:分か|わか)(?:ら(?:ない|ず)|りません|りかね)
    | 情報(?:が|は|を)[^。]{0,10}?(?:ない|なく|ありません|ございません|持って)
    | (?:お答え|特定|確認|お手伝い|判断)(?:は|が|することが|することは)?
        [^。]{0,4}?(?:できない|できません|しかね|致しかね)
    | 不明です | (?:教えて|お聞かせ|聞かせて)(?:ください|くださ|いただ|もらえ|くれ)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CLAIMS = re.compile(
    r"\b(?:you|your|yours|you['’](?:re|ve|d))\b|^\W*my\b|"
    r"^\W*(?:it|that|this|he|she)(?:['’]s| is| was)\b|"
    r"あなた|きみ|君は|(?:様|さん)の|^(?!.*(?:AI|私は|わたしは)).*(?:です|でした)[。!！]?$",
    re.IGNORECASE,
)
_NO_CLAIM = re.compile(
    r"[?？]|\b(?:if|please|could|would|can|may|might|should|let me know|feel free|"
    r"want|like me to|tell me|happy to|help you|assist you)\b|"
    r"(?:ください|ましょう|でしょうか|ますか|ですか|れば|たら|いただけ)",
    re.IGNORECASE,
)
_PARTS = re.compile(
    r"(?<=[.!?。！？\n])\s*|[,;、]?\s+(?:but|however)\b[,:]?\s*|(?<=が、)", re.IGNORECASE
)


Verdict = Literal["hit", "miss", "admits", "invents", "evades"]


class Answer(Struct, frozen=True, kw_only=True):
    """What was answered to a question, and what it is worth.

    ``verdict``: hit or miss; for what was never told one of the others, see above.
    ``is_stale``: a value that holds no longer is in it.
    """

    question: Question
    text: str
    verdict: Verdict
    is_stale: bool = False


FEW_WORDS, FEW_CHARS = 5, 30


class Score(Struct, frozen=True, kw_only=True):
    """How many of how many."""

    hits: int
    asked: int

    @property
    def share(self) -> float:
        """The part that was hit; 0 where nothing was asked."""
        return self.hits / self.asked if self.asked else 0.0


def holds(text: str, values: Iterable[str]) -> str:
    """Return the first of ``values`` that is in ``text``, upper or lower case alike, or ""."""
    folded = text.casefold()
    return next((value for value in values if value.casefold() in folded), "")


def leak_in(prompt: str, question: Question) -> str:
    """Return an answer to ``question`` that its prompt gives away, or ""."""
    return holds(prompt, [*question.accept, *question.stale])


def judge(text: str) -> Literal["admits", "invents", "evades"]:
    """Judge an answer to what was never told; see above."""
    parts = [part.strip() for part in _PARTS.split(text) if part.strip()]
    stated = [part for part in parts if not _ADMITS.search(part) and not _NO_CLAIM.search(part)]
    if any(_CLAIMS.search(part) for part in stated):
        return "invents"
    if len(stated) < len(parts) and any(_ADMITS.search(part) for part in parts):
        return "admits"
    is_short = len(text.split()) <= FEW_WORDS and len(text) <= FEW_CHARS
    return "invents" if stated and is_short else "evades"


def mark(question: Question, text: str) -> Answer:
    """Judge an answer."""
    if question.kind == "never_told":
        return Answer(question=question, text=text, verdict=judge(text))
    return Answer(
        question=question,
        text=text,
        verdict="hit" if holds(text, question.accept) else "miss",
        is_stale=bool(holds(text, question.stale)),
    )


def score(answers: Sequence[Answer]) -> dict[str, Score]:
    """Sum up an exam; what was not asked is not in it.

    ``recall`` is over all facts that hold, updated ones too; ``direct`` and ``indirect`` are
    its parts by wording. ``updated`` and ``stale``: the new and the old values of those that
    changed. ``invented`` and ``admitted``: of what was never told. ``quiz``: general knowledge.
    """
    told = [a for a in answers if a.question.kind in ("fact", "updated")]
    changed = [a for a in told if a.question.kind == "updated"]
    never = [a for a in answers if a.question.kind == "never_told"]
    scores = {
        "recall": _count(told),
        "direct": _count([a for a in told if a.question.wording == "direct"]),
        "indirect": _count([a for a in told if a.question.wording == "indirect"]),
        "updated": _count(changed),
        "stale": Score(hits=sum(a.is_stale for a in changed), asked=len(changed)),
        "invented": _count(never, "invents"),
        "admitted": _count(never, "admits"),
        "quiz": _count([a for a in answers if a.question.kind == "quiz"]),
    }
    return {name: one for name, one in scores.items() if one.asked}


def kept(bare: Sequence[Answer], answers: Sequence[Answer]) -> Score:
    """Count what is still answered, of the questions that the bare body answers.

    Both have answered the same questions, in the same order.
    """
    still = [a for b, a in zip(bare, answers, strict=True) if b.verdict == "hit"]
    return _count(still)


def _count(answers: Sequence[Answer], verdict: Verdict = "hit") -> Score:
    return Score(hits=sum(a.verdict == verdict for a in answers), asked=len(answers))
