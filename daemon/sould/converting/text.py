"""The text a body reads while it is converted, and the text it is measured on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sould.engine.soul.banks import sections
from sould.errors import BadRequest
from sould.training.corpus import Corpus

WINDOW = 256  # tokens that are read at a time
HELD_OUT_EVERY = 3  # windows, of which one is measured on and never converted by
MOST_READ, MOST_HELD_OUT = 32, 8  # windows
LEAST_TOKENS = 512
BANKS = ("anchors_en.txt", "questions_en.txt", "questions_ja.txt")


@dataclass(frozen=True)
class Windows:
    """Token ids: ``read`` for the inputs of the matrices, ``taught`` for teaching, ``held_out`` for
    the perplexity.
    """

    read: list[list[int]]
    taught: list[list[int]]
    held_out: list[list[int]]


def windows_of(
    texts: Path | None,
    encode: Callable[[str], list[int]],
    check: Callable[[], None],
    *,
    taught: int = 0,
) -> Windows:
    """Cut a text file or folder, or by default the lists of questions that bodies are asked here.

    ``taught``: windows wanted for teaching, where the text has as many.

    Raises:
        BadRequest: there is too little of it, or it cannot be read.
    """
    pieces = _own_pieces() if texts is None else _pieces(texts, check)
    most = max(MOST_READ + taught, 2 * MOST_HELD_OUT)
    wanted, ids = most * 3 // 2 * WINDOW, list[int]()
    for piece in pieces:
        ids += encode(piece)
        if len(ids) >= wanted:
            break
    if len(ids) < LEAST_TOKENS:
        raise BadRequest(
            f"{texts} has {len(ids)} tokens, at least {LEAST_TOKENS} are needed",
            "give it more text, or leave --text away",
        )
    size = min(WINDOW, len(ids) // HELD_OUT_EVERY)
    cut = [ids[i : i + size] for i in range(0, len(ids) - size + 1, size)]
    held_out = cut[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY]
    read = [one for i, one in enumerate(cut) if (i + 1) % HELD_OUT_EVERY]
    return Windows(read[:MOST_READ], read[:most], held_out[:MOST_HELD_OUT])


def _pieces(texts: Path, check: Callable[[], None]) -> Iterator[str]:
    yield from (piece.text for piece in Corpus(texts, check, least_bytes=1).pieces())


def _own_pieces() -> Iterator[str]:
    lines = [
        line
        for bank in BANKS
        for some in sections(bank).values()
        for line in some
        if line[0] not in "+~"  # words of a topic, no sentences
    ]
    random.Random(0).shuffle(lines)
    for start in range(0, len(lines), 100):
        yield "\n".join(lines[start : start + 100]) + "\n"
