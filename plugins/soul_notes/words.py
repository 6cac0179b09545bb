"""What a text is searched by: sentences, words, and parts of Japanese, which has no spaces. Pure.

A trigram index misses words of one or two characters (犬, 名前), which most Japanese nouns are.
So what is written without spaces is cut into pairs of characters, and every kanji is one as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

MOST_CHARS = 300
"""Of a note; a sentence that is longer was pasted and is no fact."""

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？]*|\n", re.UNICODE)
_WORD = re.compile(r"\w+", re.UNICODE)
_QUESTION_ENDS = ("か", "かな", "かしら", "っけ", "って", "教えて", "教えてください")
_QUESTION_WORDS = """
what who whom whose where when why which how do does did is are am was were can could would will
shall should have has may might tell
"""
_COMMON = """
a about again all also am an and any are as at be been but by can could did do does for from get go
had has have he her hers him his how i if in into is it its just know let like me mine my myself no
not now of oh ok on or our out please really remember say she so some tell than that the their them
then there these they this those to too up us was we well were what when where which who whom whose
why will with would yes you your yours s t m re ve d ll don doesn didn isn aren wasn call called
私 僕 俺 君 何 誰 今 教 覚 知 言 思 事 時 人 方 者 話 聞 前
"""
"""Words that say nothing about what a question is about."""
_VAGUE = """
name names named town city place kind type sort date day days time thing object number colour color
model current currently new old first last favourite favorite best most used
名前 名 好 町 街 国 場所 色 種類 月日 日 年 数 物 現在 最近 次 一番 新 古 親戚
"""
"""Words that do so if there is nothing else: a name, or a town, is told without that word, too."""

_ASKING = frozenset(_QUESTION_WORDS.split())
_TELLING_NOTHING = frozenset(_COMMON.split())
_ASKING_KANJI = frozenset("何誰")
_TELLING_LITTLE = frozenset(_VAGUE.split())


def passages(text: str) -> Iterator[str]:
    """Yield what a message states, as pieces of a few sentences; questions state nothing."""
    piece = ""
    for sentence in _SENTENCE.findall(text):
        stated = sentence.strip()
        if not stated or len(stated) > MOST_CHARS or is_question(stated):
            continue
        if len(piece) + len(stated) >= MOST_CHARS:
            yield piece
            piece = ""
        piece += stated if is_japanese(piece) or not piece else f" {stated}"
    if piece:
        yield piece


def is_question(sentence: str) -> bool:
    """Tell whether a sentence asks for something."""
    if sentence.endswith(("?", "？")):
        return True
    bare = sentence.rstrip(".!。！ ")
    first = _WORD.match(bare.casefold())
    if first and first[0] in _ASKING:
        return True
    return is_japanese(bare) and bare.endswith(_QUESTION_ENDS)


def is_japanese(text: str) -> bool:
    """Tell whether there is any kana or kanji in a text."""
    return any(_script(char) in ("kanji", "hiragana", "katakana") for char in text)


def terms(text: str) -> list[str]:
    """Return what a text is found by: its words, and of Japanese every pair and every kanji."""
    found: list[str] = []
    for is_spaced, part in _parts(text):
        if is_spaced:
            found.append(part)
            continue
        found += [part[n : n + 2] for n in range(len(part) - 1)] or [part]
        if len(part) > 1:
            found += [char for char in part if _script(char) == "kanji"]
    return found


def units(text: str) -> list[tuple[str, ...]]:
    """Return what a question is about: its uncommon words, each as the terms that it is found by;
    of Japanese the runs of kanji and of katakana, and hiragana if there is nothing else.
    """
    telling: dict[tuple[str, ...], None] = {}
    vague: dict[tuple[str, ...], None] = {}
    kana: dict[tuple[str, ...], None] = {}
    for script, word in _words(text):
        if script == "hiragana":
            kana |= {(word[n : n + 2],): None for n in range(len(word) - 1)}
        elif word in _TELLING_LITTLE:
            vague[tuple(terms(word))] = None
        elif word not in _TELLING_NOTHING and not _ASKING_KANJI & set(word):
            telling[tuple(terms(word))] = None
    return list(telling or vague or kana)


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Yield the words of a text, of what is written without spaces the runs of a script."""
    for is_spaced, part in _parts(text):
        if is_spaced:
            yield "", part
        else:
            yield from ((script, "".join(chars)) for script, chars in groupby(part, _script))


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the words of a text, and whether they were set apart by spaces."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    for word in _WORD.findall(folded.replace("_", " ")):
        for is_spaced, chars in groupby(word, lambda char: _script(char) == ""):
            yield is_spaced, "".join(chars)


def _script(char: str) -> str:
    """Return the script of a character that is written without spaces, else ""."""
    code = ord(char)
    if 0x3041 <= code <= 0x309F:
        return "hiragana"
    if 0x30A0 <= code <= 0x30FF:
        return "katakana"
    if 0x3400 <= code <= 0x9FFF or 0x20000 <= code <= 0x3FFFF or char in "々〆":
        return "kanji"
    return ""
