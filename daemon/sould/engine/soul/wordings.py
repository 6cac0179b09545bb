"""How a matter is asked for: in the same many wordings, whether it was told or not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sould.engine.soul.banks import sections
from sould.language import is_japanese

FRAMES = {
    "en": (
        "Do you remember {}?",
        "Can you tell me {}?",
        "Tell me {}.",
        "I forgot {}. Do you know?",
        "Could you remind me {}?",
    ),
    "ja": (
        "{}か？",
        "ねえ、{}か？",
        "覚えていますか、{}か？",
        "{}か、教えてください。",
        "{}か、言ってみて。",
    ),
}

WORDS = {name: " ".join(lines).split() for name, lines in sections("grammar_en.txt").items()}

IS = r"(?:is|are|was|were)"

_KINDS = [frozenset(line.split()) for line in sections("grammar_en.txt")["kinds"]]
"""Words for the same kind of person or animal, kind by kind."""

_PLAIN = dict(pair.split("/") for pair in WORDS["past"])
"""Verbs that are irregular in the past, with how they stand after "did"."""

_OF_A_THING = re.compile(rf"(what|who|where|when) (my .+?) ({IS})( called)?")
OF_ONE = re.compile(r"what (my [a-z' -]+) ([a-z]+s)")
_OF_SPEAKER = re.compile(
    r"(what|where|when|how|who|how many [a-z-]+|which [a-z-]+)"
    r" I ((?!(?:am|was)\b|can't |could |last |\w+ed\b)[a-z]+)( .+)?"
)
_OF_SPEAKER_NOW = re.compile(r"(what|where|when|who|which [a-z-]+) I'(m|ve) (.+)")
_SHORT = {"m": "am", "ve": "have"}
_ASKED_FOR = re.compile(r"who (?:I\b|(?:my|our|the)\b)")
_WORD = re.compile(r"[^\W\d_]{3,}")
_KANJI = re.compile(r"(?![私何誰好名前時人])[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Matter:
    """What can be asked for, in several wordings, and in one more that is kept for exams.

    ``words``: itself, as it stands in an embedded question.
    """

    words: str
    wordings: tuple[str, ...]
    held_out: str


def framed(matter: str, language: str) -> Matter:
    """Return what an embedded question asks for, in all wordings. They are the same for what was
    told and what was not: else a wording alone would tell which it is.
    """
    *wordings, held_out = (frame.format(matter) for frame in FRAMES[language])
    plain = _direct(matter) if language == "en" else []
    return Matter(matter, (*plain, *wordings), held_out)


def _direct(matter: str) -> list[str]:
    """Return an embedded question as plain ones, if that is easily said: the first as somebody
    asks who has asked before.
    """
    if match := _OF_A_THING.fullmatch(matter):
        asked, thing, verb, called = match.groups()
        plain = f"{asked.capitalize()} {verb} {thing}{called or ''}"
        is_name = called or is_person(thing)
        named = [f"What's {thing}'s name again?", f"Do you know the name of {thing}?"]
        return [f"{plain} again?", f"{plain}?", *(named if is_name else [])]
    if match := _OF_SPEAKER.fullmatch(matter):
        asked, verb, rest = match.groups()
        do = f"did I {_PLAIN[verb]}" if verb in _PLAIN else f"do I {verb}"
        plain = f"{asked.capitalize()} {do}{rest or ''}"
    elif match := _OF_SPEAKER_NOW.fullmatch(matter):
        plain = f"{match[1].capitalize()} {_SHORT[match[2]]} I {match[3]}"
    elif match := OF_ONE.fullmatch(matter):
        plain = f"What does {match[1]} {_plain(match[2])}"
    elif matter.startswith(("who ", "which ")) and not _ASKED_FOR.match(matter):
        plain = f"{matter[0].upper()}{matter[1:]}"
    else:
        return []
    return [f"{plain} again?", f"{plain}?"]


def _plain(verb: str) -> str:
    """Return a verb as it stands after "does": "teaches" → "teach"."""
    if verb == "has":
        return "have"
    if re.search(r"[^aeiou]ies$", verb) and len(verb) > 4:
        return f"{verb[:-3]}y"
    return verb[:-2] if re.search(r"(?:[sxz]|[cs]h|o)es$", verb) else verb[:-1]


def tidied(matter: str) -> str:
    """Return an embedded question as it stands inside a sentence."""
    words = " ".join(matter.replace(",", "").split())
    return re.sub(r"\b(?:My|Our|We|The)\b", lambda match: match[0].lower(), words)


def is_person(thing: str) -> bool:
    """Whether "my old boss" is somebody."""
    return thing.lower().split()[-1] in WORDS["people"]


def kinds_in(text: str) -> set[frozenset[str]]:
    """Return the kinds of people and animals that a text names one of, each as its words."""
    words = set(_words(text))
    return {kind for kind in _KINDS if words & kind}


def signs(text: str) -> set[str]:
    """Return the words that say what a text is about, and of those for kinds of people and animals
    all others for the same; of a Japanese text, the characters.
    """
    if is_japanese(text):
        return set(_KANJI.findall(text))
    words = content(text)
    return words.union(*(kind for kind in _KINDS if words & kind))


def content(text: str) -> set[str]:
    """Return the words of an English text that say what it is about."""
    return set(_words(text)).difference(WORDS["empty"])


def _words(text: str) -> list[str]:
    """Return the words of a text, without the end of a possessive."""
    return _WORD.findall(text.lower())
