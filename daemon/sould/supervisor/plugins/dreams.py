"""Which of the dreams that plugins make may be dreamt: what says only what was told."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sould.bridge import Probe
from sould.language import is_japanese
from sould.plugin.structs import Dream, Told
from sould.privacy import find_secrets
from sould.privacy.secret import words

MOST_OF_A_RECORD = 4
MOST_OF_A_NIGHT = 256

_WORD = re.compile(r"[^\W\d_]+|\d+")
_SAID_BACK = words(
    "you your yours yourself yourselves are were have re ve ll s "
    "a an the is was it that this of in on at to and"
)
"""What an English answer may have of its own; "not" is not among it, nor any name."""
_SAID_BACK_JA = re.compile(r"あなた|でした|です|ます|という|[はがをにのでとも、。「」\s]")
_OF_THE_USER = re.compile(r"\byou(?:r|rs|rself|rselves)?\b|あなた", re.I)
_BY_THE_USER = re.compile(
    r"\b(?:I|[Mm]e|[Mm]y|[Mm]ine|[Mm]yself|[Ww]e|us|[Oo]urs?)\b|私(?![立鉄])|僕|俺|わたし"
)


def choose(
    offered: Iterable[tuple[str, Sequence[Dream]]], told: Mapping[str, Told]
) -> tuple[list[Probe], list[tuple[str, str, int]]]:
    """Return what may be dreamt; and the plugins whose other dreams may not, with why and how many.

    ``offered``: with the plugins' names. ``told``: tonight's records, by id. Pure.
    """
    chosen: dict[tuple[str, str], Probe] = {}
    of_record: Counter[str] = Counter()
    faults: Counter[tuple[str, str]] = Counter()
    for plugin, dreams in offered:
        for dream in dreams:
            question, answer = dream.question.strip(), dream.answer.strip()
            is_full = of_record[dream.id] >= MOST_OF_A_RECORD or len(chosen) >= MOST_OF_A_NIGHT
            if fault := _fault(question, answer, told.get(dream.id)):
                faults[plugin, fault] += 1
            elif (dream.id, question) not in chosen and not is_full:
                probe = Probe(id=dream.id, question=question, answer=answer)
                chosen[dream.id, question] = probe
                of_record[dream.id] += 1
    return list(chosen.values()), [(*key, count) for key, count in faults.items()]


def _fault(question: str, answer: str, told: Told | None) -> str:
    """Say why a dream may not be dreamt, or "". No word of it is in that."""
    if told is None:
        return "of no record of tonight"
    if not (question and answer and question.isprintable() and answer.isprintable()):
        return "not of one line each"
    if find_secrets(question) or find_secrets(answer):
        return "there is a secret in it"
    if not says_only(answer, told.text):
        return "the answer says what was not told"
    if told.source and _OF_THE_USER.search(unicodedata.normalize("NFKC", answer)):
        return "the answer says of the user what a document says"
    if told.source and _BY_THE_USER.search(unicodedata.normalize("NFKC", question)):
        return "the question asks of the user what a document says"
    return ""


def says_only(answer: str, text: str) -> bool:
    """Tell whether an answer has no words but those of a text, said back. Pure."""
    answer, text = (unicodedata.normalize("NFKC", one).casefold() for one in (answer, text))
    if is_japanese(answer):
        return all(piece in text for piece in _SAID_BACK_JA.split(answer))
    return set(_WORD.findall(answer)) <= {*_WORD.findall(text), *_SAID_BACK}
