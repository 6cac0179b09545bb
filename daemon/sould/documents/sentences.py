"""Passages cut into statements: sentences that say something on their own, about the world.

Only form is looked at. A sentence that points back ("It was…") goes with the one before it; what
nobody could make sense of alone, questions, and what some writer says of themselves is left out:
who that is cannot be known, and it must not be taken for the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from sould.documents.limits import LEAST_CHARS, LEAST_CHARS_JA, MOST_CHARS, MOST_CHARS_JA
from sould.documents.passage import Passage
from sould.language import is_japanese

LEAST_WORDS = 3
LEAST_LETTERS = 0.6  # of the signs that are no spaces

_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s+[\"'“‘(\[]?[^\W_a-z]|\s*$)")
_ABBREVIATED = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Prof|Sr|Jr|vs|cf|ca|approx|e\.g|i\.e|al|Fig|No|Vol|pp?|"
    r"Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)\.$"
)
_SENTENCE_JA = re.compile(r"[^。！？!?]+[。！？!?]*[」』）)]*")

_LEADS = (
    r"(?:However|Moreover|Furthermore|In addition|Also|Therefore|Thus|Hence|Finally|Meanwhile|"
    r"And|But|So|Then)"
)
_LEADS_JA = r"(?:しかし|また|さらに|そして|なお|ただし|したがって|つまり)"
_LEADING = re.compile(rf"^(?:{_LEADS}, (?=\S)|(?:And|But) (?=[a-z]))")
_LEADING_JA = re.compile(rf"^{_LEADS_JA}、")
_BACK = (
    "It|Its|They|Their|He|His|She|Her|This|That|These|Those|Such|Here|Both|Neither|"
    "The (?:former|latter|same)"
)
_POINTS_BACK = re.compile(rf"(?:{_BACK}|{_LEADS} (?:{_BACK.lower()}))\b(?!-)")
_POINTS_BACK_JA = re.compile(
    rf"{_LEADS_JA}?"
    r"(?:これ|それ|あれ|この|その|あの|こう(?!もり)|そう(?!じ|めん)|ここ|そこ|彼(?!岸))"
)
_NUMBERED = re.compile(r"\b(?:War|Type|Part|Phase|Class|Chapter|Book|Act|Stage|Level|Grade) I\b")
_WRITER = re.compile(
    r"\b(?:I|me|my|myself)\b(?!\.)|\bMy\b|\b(?:of|am|is|are|was|were|be|not|than) mine\b|^Mine\b"
)
_WRITER_JA = re.compile(r"私(?![立鉄])|僕|俺|わたし|ぼく")
_ENDS = re.compile(r"[.!…][\"'”’)\]]*$")
_TELLS = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|cannot|could|will|would|must|may|might|should|does|"
    r"do|did|means|contains|costs|takes|needs|uses|opens|closes|lies|stands)\b"
)
_ASKS_JA = re.compile(r"(?:か|[?？])[。！!]*[」』）)]*$")
_ENDS_JA = re.compile(r"[。！!」』）)]$")


class Sentence(Struct, frozen=True, kw_only=True):
    """A statement, and where it stands; of two that go together, the first one's place."""

    text: str
    place: int
    heading: str


class Cutter:
    """Cuts passages. ``left_out``: sentences that say nothing on their own, so far."""

    def __init__(self) -> None:
        self.left_out = 0

    def statements(self, passages: Iterable[Passage]) -> Iterator[Sentence]:
        """Yield the statements of a document in their order."""
        for passage in passages:
            for text in self._of_passage(passage.text):
                yield Sentence(text=text, place=passage.place, heading=passage.heading)

    def _of_passage(self, text: str) -> Iterator[str]:
        is_ja = is_japanese(text)
        found: str | None = None  # the last one, which the next may point back to
        for sentence in _sentences_ja(text) if is_ja else _sentences_en(text):
            points_back = (_POINTS_BACK_JA if is_ja else _POINTS_BACK).match(sentence)
            if not (_says_ja(sentence) if is_ja else _says_en(sentence)):
                self.left_out += 1
            elif not points_back:
                if found is not None:
                    yield found
                found = sentence
                continue
            elif found is not None and _fits(both := _both(found, sentence, is_ja), is_ja):
                found = both
                continue
            else:
                self.left_out += 1
            if found is not None:
                yield found
            found = None  # what comes next would point to what is left out
        if found is not None:
            yield found


def _sentences_en(text: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(text):
        if _ABBREVIATED.search(text[max(start, end.end() - 12) : end.end()]):
            continue
        yield _begun(_LEADING.sub("", text[start : end.end()].strip()))
        start = end.end()
    if rest := text[start:].strip():
        yield _begun(_LEADING.sub("", rest))


def _sentences_ja(text: str) -> Iterator[str]:
    for found in _SENTENCE_JA.findall(text):
        if sentence := _LEADING_JA.sub("", found.strip()):
            yield sentence


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _both(first: str, second: str, is_ja: bool) -> str:
    return f"{first}{second}" if is_ja else f"{first} {second}"


def _fits(text: str, is_ja: bool) -> bool:
    least, most = (LEAST_CHARS_JA, MOST_CHARS_JA) if is_ja else (LEAST_CHARS, MOST_CHARS)
    return least <= len(text) <= most


def _says_en(sentence: str) -> bool:
    if not _fits(sentence, is_ja=False) or len(sentence.split()) < LEAST_WORDS:
        return False
    if sentence.endswith(("?", ":")) or "?" in sentence:
        return False
    if _WRITER.search(_NUMBERED.sub("", sentence)):
        return False
    if not (_ENDS.search(sentence) or _TELLS.search(sentence)):
        return False
    signs = "".join(sentence.split())
    return sum(sign.isalpha() for sign in signs) >= LEAST_LETTERS * len(signs)


def _says_ja(sentence: str) -> bool:
    if not _fits(sentence, is_ja=True) or not _ENDS_JA.search(sentence):
        return False
    return not (_ASKS_JA.search(sentence) or _WRITER_JA.search(sentence))
