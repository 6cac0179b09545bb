"""Passages cut into statements: sentences that say something on their own, about the world.

Only form is looked at. A sentence that points back ("It was…") goes with the one before it; what
nobody could make sense of alone, questions, and what some writer says of themselves is left out:
who that is cannot be known, and it must not be taken for the user.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from sould.documents.limits import LEAST_CHARS, LEAST_CHARS_JA, MOST_CHARS, MOST_CHARS_JA
from sould.documents.passage import Passage
from sould.documents.text import joined
from sould.language import JAPANESE, is_japanese

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
    r"\b(?:I|me|my|myself)\b(?!\.)|\bMy\b|\b(?:of|am|is|are|was|were|be|not|than) mine\b|^Mine\b|"
    r"\b(?:[Ww]e|us|[Oo]urs?|[Oo]urselves)\b(?! Lady\b)"
)
_WRITER_JA = re.compile(
    r"私(?![立鉄])|僕|俺|わたし|ぼく|あたし|わたくし|我々|我が|(?<!各)自分|"
    r"(?<![ァ-ヶー])(?:オレ|ボク)(?![ァ-ヶー])|(?:^|[、。「『（はがもでに])うちの(?!め)"
)
_ENDS = re.compile(r"[.!…][\"'”’)\]]*$")
_TELLS = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|cannot|could|will|would|must|may|might|should|does|"
    r"do|did|means|contains|costs|takes|needs|uses|opens|closes|lies|stands)\b"
)
_FINISHED = re.compile(r"[.!?…。！？:：][\"'”’)\]]*$|[」』）]$")
_GOES_ON_JA = re.compile(r"[はがを、]")
"""What a title has not, and a sentence has early."""
_HYPHEN = re.compile(r"(?<=[a-z])-$")
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
        """Yield the statements of a document in their order.

        A sentence that a page ends in is put together with the rest of it on the next one; where
        none is to be seen, it is left out.
        """
        held: list[Sentence] = []  # one that a page ends in, after those it points back to
        is_ja = False
        for passage in passages:
            text = passage.text
            if held and _goes_on(held[-1].text, text):
                text = _mended(held[-1].text, text)
            elif held:
                self.left_out += 1
                yield from self._chosen(held[:-1], is_ja)
                held = []
            is_ja = is_japanese(text)
            said = [
                Sentence(text=one, place=passage.place, heading=passage.heading)
                for one in (_sentences_ja(text) if is_ja else _sentences_en(text))
            ]
            if held:
                said[:1] = [*held[:-1], replace(held[-1], text=said[0].text)]
            start = _first_held(said, is_ja) if passage.is_cut else len(said)
            said, held = said[:start], said[start:]
            yield from self._chosen(said, is_ja)
        yield from self._chosen(held, is_ja)

    def _chosen(self, said: Iterable[Sentence], is_ja: bool) -> Iterator[Sentence]:
        found: Sentence | None = None  # the last one, which the next may point back to
        for sentence in said:
            text = sentence.text
            if not (_says_ja(text) if is_ja else _says_en(text)):
                self.left_out += 1
            elif not _points_back(text, is_ja):
                if found is not None:
                    yield found
                found = sentence
                continue
            elif found is not None and _fits(both := _both(found.text, text, is_ja), is_ja):
                found = replace(found, text=both)
                continue
            else:
                self.left_out += 1
            if found is not None:
                yield found
            found = None  # what comes next would point to what is left out
        if found is not None:
            yield found


def _first_held(said: Sequence[Sentence], is_ja: bool) -> int:
    """Return where an unfinished last sentence begins, with those before it that it points back
    to; without one, the end. Pure.
    """
    if not said:
        return 0
    last = said[-1].text
    if _FINISHED.search(last) and not _ABBREVIATED.search(last[-12:]):
        return len(said)
    start = len(said) - 1
    while start and _points_back(said[start].text, is_ja):
        start -= 1
    return start


def _goes_on(begun: str, text: str) -> bool:
    """Tell whether a text is the rest of a sentence. Pure."""
    if len(begun) > MOST_CHARS:
        return False
    if is_japanese(begun):
        return bool(_GOES_ON_JA.search(begun) and JAPANESE.match(text))
    return text[:1].islower()


def _mended(begun: str, text: str) -> str:
    return begun[:-1] + text if _HYPHEN.search(begun) else joined([begun, text])


def _points_back(sentence: str, is_ja: bool) -> bool:
    return bool((_POINTS_BACK_JA if is_ja else _POINTS_BACK).match(sentence))


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
