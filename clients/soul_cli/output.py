"""What ``soul`` prints: JSON or plain text on stdout, trouble in one line on stderr."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soul_cli.settings import Settings

_CONTROLS = {c: None for c in (*range(0x20), *range(0x7F, 0xA0)) if chr(c) not in "\n\t"}
_SURROGATES = re.compile("[\ud800-\udfff]")


def be_tolerant() -> None:
    """Let no character break the output, and no byte the input: it is replaced."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def as_text(typed: str) -> str:
    """Make what was typed valid text: bytes that were none are replaced."""
    return _SURROGATES.sub("\ufffd", typed)


def for_terminal(text: str) -> str:
    """Drop control characters: a reply must not steer the terminal."""
    return text.translate(_CONTROLS)


def is_terminal(stream: IO[str]) -> bool:
    """Tell whether a stream is a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: IO[str]) -> bool:
    """Tell whether colour is wanted (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


class Reply:
    """A reply on stdout, printed as it comes; on a terminal, text only."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._is_mid_line = False

    def say(self, piece: str) -> None:
        """Print a piece at once."""
        if piece:
            text = for_terminal(piece) if self._is_terminal else piece
            print(text, end="", flush=True)
            self._is_mid_line = True

    def end(self) -> None:
        """End the line the reply is in."""
        if self._is_mid_line:
            print(flush=True)
            self._is_mid_line = False


def faint(text: str) -> str:
    """Return a text as a terminal shows what is beside the matter."""
    return f"\x1b[2m{text}\x1b[0m"


def say_json(value: Any) -> None:
    """Print a wire struct, or builtins, as one line of JSON."""
    import msgspec

    print(json.dumps(msgspec.to_builtins(value), ensure_ascii=False), flush=True)


def error(settings: Settings, *, code: str, label: str, message: str, hint: str) -> None:
    """Say what went wrong: one line ``soul: …``, and one with a hint."""
    if settings.is_json:
        say_json({"error": {"code": code, "message": message, "hint": hint}})
        return
    text = f"{label}: {message}" if label else message
    print(f"soul: {text}", file=sys.stderr)
    if hint:
        print(f"  {hint}", file=sys.stderr)


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
    """Print rows in columns; the last one is not padded."""
    for line in columns(rows, header):
        print(line)


def columns(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> list[str]:
    """Return rows as lines with columns; the last one is not padded."""
    lines = [list(row) for row in rows]
    if header:
        lines.insert(0, list(header))
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(padded, line, widths)).rstrip() for line in lines]


def side_by_side(left: str, right: str, count: int) -> list[str]:
    """Return two texts as lines of at most ``count`` columns, half of them for each."""
    half = max(8, (count - 2) // 2)
    pairs = zip_longest(wrapped(left, half), wrapped(right, half), fillvalue="")
    return [f"{padded(one, half)}  {other}".rstrip() for one, other in pairs]


def wrapped(text: str, count: int) -> list[str]:
    """Break a text into lines of at most ``count`` columns, between words if it has any."""
    lines, line = [], ""
    for word in text.split():
        if width(joined := f"{line} {word}".lstrip()) <= count:
            line = joined
            continue
        if line:
            lines.append(line)
        while width(word) > count:
            head = _head(word, count)
            lines.append(head)
            word = word[len(head) :]
        line = word
    return [*lines, line] if line else lines


def _head(word: str, count: int) -> str:
    """Return as much of a word as fits; one character at least."""
    end = next(n for n in range(1, len(word) + 1) if width(word[: n + 1]) > count)
    return word[:end]


def padded(text: str, count: int) -> str:
    """Return a text with spaces after it, so that it takes ``count`` columns."""
    return text + " " * (count - width(text))


def width(text: str) -> int:
    """Return how many columns a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def size(count_bytes: float) -> str:
    """Return a size for people: 98 MB."""
    for unit in ("B", "KB", "MB"):
        if count_bytes < 999.5:
            return f"{count_bytes:.0f} {unit}"
        count_bytes /= 1000
    return f"{count_bytes:.1f} GB"


def duration(seconds: float) -> str:
    """Return a span of time for people: 3 min 20 s."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(timestamp: str) -> str:
    """Return an RFC 3339 timestamp for people: 2026-01-02 03:04, in the zone of this machine."""
    try:
        return datetime.fromisoformat(timestamp).astimezone().strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return timestamp
