"""The text that a body is trained on: files, read piece by piece, never whole, and the diary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import TextIO

from sould.errors import BadRequest

SUFFIXES = (".txt", ".md", ".text")
LEAST_BYTES = 64 << 10
PIECES = 200  # of a small corpus
SMALLEST_PIECE, LARGEST_PIECE = 256, 32 << 10  # characters
HELD_OUT_EVERY = 32  # pieces, of which one is for validation


@dataclass(frozen=True)
class Piece:
    """Some lines of a file, or a part of a long one. ``ends_file``: nothing comes after them.
    ``is_held_out``: not to be trained on.
    """

    text: str
    ends_file: bool
    is_held_out: bool


class Corpus:
    """Text files: one, or all below a folder, in the order of their paths; and days of a diary."""

    def __init__(
        self,
        path: Path | None,
        should_stop: Callable[[], None] = lambda: None,
        *,
        days: Sequence[str] = (),
        least_bytes: int = LEAST_BYTES,
    ) -> None:
        """Look for the files; ``should_stop`` is called before every piece, and may raise.
        ``path``: None where ``days``, texts as they are, are all there is.

        Raises:
            BadRequest: there is no text, or less than ``least_bytes``: by default, too little to
                learn a language from.
        """
        self._should_stop = should_stop
        self._days = days
        self.files = _files(path) if path else []
        names = [*([str(path)] if path else []), *(["the diary"] if days or not path else [])]
        self.name = " and ".join(names)
        self.total_bytes = sum(file.stat().st_size for file in self.files)
        self.total_bytes += sum(len(day.encode()) for day in days)
        if self.total_bytes < least_bytes:
            raise BadRequest(
                f"{self.name} holds {self.total_bytes} bytes of text, at least {least_bytes} are "
                "needed",
                f"files that are read end in {', '.join(SUFFIXES)}",
            )
        wanted = self.total_bytes // PIECES
        self._piece_chars = min(max(wanted, SMALLEST_PIECE), LARGEST_PIECE)

    def pieces(self) -> Iterator[Piece]:
        """Yield all of the text, the same each time.

        Raises:
            BadRequest: a file is not UTF-8, or cannot be read.
        """
        n, chars = 0, self._piece_chars
        of_files = (_of_file(file, chars) for file in self.files)
        of_days = (_cut(StringIO(day), chars) for day in self._days)
        for texts in chain(of_files, of_days):
            text = next(texts, None)
            while text is not None:
                self._should_stop()
                after = next(texts, None)
                is_held_out = n % HELD_OUT_EVERY == HELD_OUT_EVERY // 2
                yield Piece(text, after is None, is_held_out)
                text, n = after, n + 1


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES)
    files = [one for one in found if one.is_file()]
    if not files:
        raise BadRequest(
            f"there is no text in {path}", f"files that are read end in {', '.join(SUFFIXES)}"
        )
    return files


def _of_file(file: Path, chars: int) -> Iterator[str]:
    try:
        with file.open(encoding="utf-8", newline=None) as lines:
            yield from _cut(lines, chars)
    except UnicodeDecodeError as e:
        raise BadRequest(f"{file} is not UTF-8 ({e.reason} at byte {e.start})") from e
    except OSError as e:
        raise BadRequest(f"{file} cannot be read: {e.strerror or e}") from e


def _cut(lines: TextIO, chars: int) -> Iterator[str]:
    """Yield lines, some at a time, of one that is longer than ``chars`` so much of it."""
    held, size = list[str](), 0
    while line := lines.readline(chars):
        held.append(line)
        size += len(line)
        if size >= chars:
            yield "".join(held)
            held, size = [], 0
    if held:
        yield "".join(held)
