"""In which language a text is written: English or Japanese, the two that souls are taught in."""

from __future__ import annotations

import re

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")  # kana and kanji
LEAST_SHARE = 0.3  # of the letters of what is Japanese, though nothing at its end says so

_ENDS = re.compile(r"。|[\u3041-\u309f][^\w]*$")


def is_japanese(text: str) -> bool:
    """Tell whether a text is written in Japanese, and does not only have a word of it. Pure."""
    signs = len(JAPANESE.findall(text))
    if not signs:
        return False
    return bool(_ENDS.search(text)) or signs >= LEAST_SHARE * sum(map(str.isalpha, text))
