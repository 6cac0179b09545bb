"""Text and Markdown cut into passages: headings tell where one stands, code and tables are none."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator

from sould.documents.limits import MAX_HEADING_CHARS
from sould.documents.passage import Passage, Unreadable
from sould.language import JAPANESE

SIGN = " › "

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

_FENCE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}+(?!.*`)|~{3,})")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_RULE = re.compile(r" {0,3}(?:[-*_][ \t]*){3,}$")
_ITEM = re.compile(r"( *(?:[-*+]|(\d{1,9})[.)]) +)(?:\[[ xX]\] +)?")
_QUOTE = re.compile(r"^ {0,3}(?:>[ \t]?)+")
_TABLE = re.compile(r" {0,3}\|")
_COLUMNS = re.compile(r"\|?[ \t]*:?-+:?(?:[ \t]*\|[ \t]*:?-+:?)+(?:[ \t]*\|)?")
_KEY = re.compile(r"[\"']?\w[\w .-]*[\"']?:(?:\s|$)")

_COMMENT = re.compile(r"(?<!`)<!--.*?(?:-->|\Z)", re.S)
_IMAGE = re.compile(r"!\[[^\[\]]{0,500}\]\([^()]{0,2000}\)")
_LINK = re.compile(r"\[([^\[\]]{1,500})\](?:\([^()]{0,2000}\)|\[[^\[\]]{0,200}\])")
_FOOTNOTE = re.compile(r"\[\^[^\[\]]{1,50}\]:?")
_ADDRESS = re.compile(r"<(?:https?|mailto):[^<>\s]{1,2000}>")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,500}>")
_STRUCK = re.compile(r"~~(?=\S)(?:[^~]++|~(?!~))*+(?<=\S)~~")
_STARS = re.compile(r"(?<!\\)\*+")
_MARK = re.compile(r"~~|`+|(?<![^\W_])_{1,3}(?=\S)|(?<=\S)_{1,3}(?![^\W_])")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def decoded(data: bytes) -> str:
    """Return the text of a file: UTF-8, or what its byte order mark says.

    Raises:
        Unreadable: it is neither, or no text at all.
    """
    found = (pair for pair in _BOMS if data.startswith(pair[0]))
    bom, encoding = next(found, (b"", "utf-8"))
    try:
        text = data.removeprefix(bom).decode(encoding)
    except UnicodeDecodeError as e:
        raise Unreadable("not_text", "is no UTF-8 text: save it as UTF-8") from e
    if "\0" in text:
        raise Unreadable("not_text", "is no text: there are zero bytes in it")
    return cleaned(text)


def cleaned(text: str) -> str:
    """Return a text in NFC, with line feeds alone and no signs that nobody sees. Pure."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _UNSEEN.sub("", text)


def paired(text: str) -> str:
    """Return a text in which halves of a surrogate pair are what they are together, and those
    alone U+FFFD: UTF-8 has no place for them. Pure.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def of_text(text: str) -> Iterator[Passage]:
    """Yield the paragraphs of a plain text: lines between empty ones."""
    gathered = _Gathered()
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            gathered.add(line, number)
        else:
            yield from gathered.taken()
    yield from gathered.taken()


def of_markdown(text: str) -> Iterator[Passage]:
    """Yield the paragraphs and items of a Markdown text, without its marks.

    Code, tables, comments, what is struck out and what stands before the text (front matter) are
    left out.
    """
    lines = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text).split("\n")
    headings = _Headings()
    gathered = _Gathered()
    code = _Code()
    is_table = False
    start = _after_front_matter(lines)
    for number, line in enumerate(lines[start:], start=start + 1):
        is_code = code.takes(line)
        line = _QUOTE.sub("", line).expandtabs(4)
        if is_code or not line.strip():
            yield from gathered.taken(headings.path)
            is_table = False
        elif _COLUMNS.fullmatch(line.strip()):
            gathered.drop_last()  # the names of the columns
            yield from gathered.taken(headings.path)
            is_table = True
        elif is_table or _TABLE.match(line):
            yield from gathered.taken(headings.path)
        elif found := _HEADING.match(line):
            yield from gathered.taken(headings.path)
            headings.enter(len(found[1]), plain(found[2] or ""))
        elif (found := _UNDERLINE.match(line)) and gathered.count == 1:
            headings.enter(1 if found[1][0] == "=" else 2, plain(gathered.dropped()))
        elif _RULE.match(line):
            yield from gathered.taken(headings.path)
        else:
            column = _indent(line)
            if (found := _ITEM.match(line)) and gathered.may_end_before(found):
                yield from gathered.taken(headings.path)
                line, column = line[found.end() :], len(found[1])
            gathered.add(line, number, column)
    yield from gathered.taken(headings.path)


def plain(text: str) -> str:
    """Return a piece of Markdown without its marks. Pure."""
    text = _IMAGE.sub("", _STRUCK.sub("", text))
    text = _LINK.sub(r"\1", text)
    text = _FOOTNOTE.sub("", text)
    text = _TAG.sub("", _ADDRESS.sub("", text))
    return " ".join(_ESCAPED.sub(r"\1", _MARK.sub("", _without_stars(text))).split())


def joined(lines: list[str]) -> str:
    """Return lines as one; between Japanese ones there is no space. Pure."""
    whole = ""
    for line in (line.strip() for line in lines):
        is_tight = whole and line and JAPANESE.match(whole[-1]) and JAPANESE.match(line[0])
        whole += line if is_tight or not whole or _ends_ja(whole) else f" {line}"
    return whole


def _without_stars(text: str) -> str:
    """Return a text without the stars that open emphasis and close it again; those of a product
    or a rating stay. Pure.

    By the rules of CommonMark, but that Japanese has no spaces, and that a single star between
    letters, or any beside digits in a word, is no mark.
    """
    opened: list[int] = []
    gone: set[int] = set()
    for run in _STARS.finditer(text):
        start, end = run.span()
        before, after = text[start - 1 : start] or " ", text[end : end + 1] or " "
        is_after_word, is_before_word = _is_of_word(before), _is_of_word(after)
        is_sign = end - start == 1 or before.isdigit() or after.isdigit()
        if is_after_word and is_before_word and is_sign:
            continue
        opens = not after.isspace() and (after.isalnum() or not is_after_word)
        closes = not before.isspace() and (before.isalnum() or not is_before_word)
        fresh: list[int] = []
        for at in range(start, end):
            if closes and opened:
                gone.update((opened.pop(), at))
            elif opens:
                fresh.append(at)
        opened += fresh
    return "".join(sign for at, sign in enumerate(text) if at not in gone)


def _is_of_word(sign: str) -> bool:
    return sign.isalnum() and not JAPANESE.match(sign)


class _Code:
    """Tells which lines are code between fences; in a quote it ends with that at the latest."""

    def __init__(self) -> None:
        self._fence = ""
        self._is_quoted = False

    def takes(self, line: str) -> bool:
        """Tell whether the next line is code, or one of its fences."""
        inner = _QUOTE.sub("", line)
        if self._is_quoted and inner == line:
            self._fence, self._is_quoted = "", False
        if not self._fence:
            if found := _FENCE.match(inner):
                self._fence, self._is_quoted = found[1], inner != line
            return bool(found)
        end = (inner if self._is_quoted else line).strip()
        if end.startswith(self._fence) and not end.strip(self._fence[0]):
            self._fence, self._is_quoted = "", False
        return True


class _Gathered:
    """The lines of a passage so far."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._first = 0
        self._column = 0  # that its text begins in

    @property
    def count(self) -> int:
        return len(self._lines)

    def may_end_before(self, item: re.Match[str]) -> bool:
        """Tell whether what looks like an item is one. In the middle of a paragraph a number is
        not, unless it is 1: a year may begin a line.
        """
        is_inside = _indent(item[1]) >= self._column
        return not (self._lines and is_inside and item[2] and int(item[2]) != 1)

    def add(self, line: str, number: int, column: int = 0) -> None:
        if not self._lines:
            self._first, self._column = number, column
        self._lines.append(line)

    def drop_last(self) -> None:
        del self._lines[-1:]

    def dropped(self) -> str:
        lines, self._lines = self._lines, []
        return joined(lines)

    def taken(self, heading: str | None = None) -> Iterator[Passage]:
        """Yield what was gathered, if anything was; ``heading`` None: it is no Markdown."""
        if self._lines:
            text = self.dropped()
            shown = " ".join(text.split()) if heading is None else plain(text)
            yield Passage(text=shown, place=self._first, heading=heading or "")


class _Headings:
    """The headings that a line stands under, the outermost first."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> None:
        self._open = [(above, one) for above, one in self._open if above < level]
        self._open.append((level, title[:MAX_HEADING_CHARS]))

    @property
    def path(self) -> str:
        return SIGN.join(title for _, title in self._open[-2:] if title)


def _after_front_matter(lines: list[str]) -> int:
    if lines[0].rstrip() == "---" and _KEY.match("".join(lines[1:2])):
        for number, line in enumerate(lines[1:200], start=2):
            if line.rstrip() in ("---", "..."):
                return number
    return 0


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _ends_ja(text: str) -> bool:
    return text[-1] in "。、！？」"
