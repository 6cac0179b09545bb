"""Text and Markdown cut into passages: headings tell where one stands, code and tables are none."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.parser_inline import RuleFuncInlineType
from markdown_it.rules_inline import StateInline, emphasis, strikethrough
from markdown_it.token import Token

from sould.documents.limits import MAX_HEADING_CHARS
from sould.documents.passage import SIGN, Passage, Unreadable
from sould.language import JAPANESE

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNSEEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")

_KEY = re.compile(r"[\"']?\w[\w .-]*[\"']?:(?:\s|$)")
_NOTE = re.compile(r"\[\^[^\[\]\s]{1,50}\]:?|\A\[[ xX]\](?=\s)")  # of a footnote; the box of a task
_SAID = ("text", "text_special", "code_inline")
_BREAKS = ("softbreak", "hardbreak")
MAX_NESTING = 40  # of blocks; a list takes two


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
    lines: list[str] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            lines.append(line)
        elif lines:
            yield Passage(text=" ".join(joined(lines).split()), place=number - len(lines))
            lines = []


def of_markdown(text: str) -> Iterator[Passage]:
    """Yield the paragraphs and items of a Markdown text, without its marks.

    Code, tables, HTML, what is struck out and what stands before the text (front matter) are left
    out.
    """
    lines = text.split("\n")
    start = _after_front_matter(lines)
    markdown = _markdown()
    env: dict[str, Any] = {}  # addresses by name
    headings: list[tuple[int, str]] = []  # that a paragraph stands under, the outermost first
    for opening, token in pairwise(markdown.parse("\n".join(lines[start:]), env)):
        if opening.type not in ("heading_open", "paragraph_open"):
            continue
        said = _plain(markdown.inline.parse(token.content, markdown, env, []))
        if opening.type == "heading_open":
            level = int(opening.tag[1:])
            headings = [one for one in headings if one[0] < level]
            headings.append((level, said[:MAX_HEADING_CHARS]))
        elif said:
            assert opening.map is not None
            path = SIGN.join(title for _, title in headings[-2:] if title)
            yield Passage(text=said, place=start + opening.map[0] + 1, heading=path)


def joined(lines: list[str]) -> str:
    """Return lines as one; between Japanese ones there is no space. Pure."""
    whole = ""
    for line in (line.strip() for line in lines):
        is_tight = whole and line and JAPANESE.match(whole[-1]) and JAPANESE.match(line[0])
        whole += line if is_tight or not whole or _ends_ja(whole) else f" {line}"
    return whole


@cache
def _markdown() -> MarkdownIt:
    """Return a reader of CommonMark that leaves what is in a line to be read when it is needed."""
    markdown = MarkdownIt("commonmark", {"maxNesting": MAX_NESTING})
    markdown.enable(["table", "strikethrough"]).disable(["inline", "text_join"])
    rules = markdown.inline.ruler
    rules.before("link", "note", _skip_note)
    for name, rule in (("emphasis", emphasis.tokenize), ("strikethrough", strikethrough.tokenize)):
        rules.at(name, partial(_take_marks, rule))
    return markdown


def _skip_note(state: StateInline, silent: bool) -> bool:
    """Leave out the number of a footnote, or the box of a task, if one comes next."""
    if found := _NOTE.match(state.src, state.pos):
        state.pos = found.end()
    return bool(found)


def _take_marks(rule: RuleFuncInlineType, state: StateInline, silent: bool) -> bool:
    """Take the stars or tildes that come next. Beside Japanese, which has no spaces, they are
    marks where CommonMark has none; of a product (``3*4``, ``x**2``) they are not.
    """
    start, count = state.pos, len(state.delimiters)
    if not rule(state, silent):
        return False
    mark, end = state.src[start], state.pos
    before, after = state.src[start - 1 : start], state.src[end : end + 1]
    is_ja = JAPANESE.match(before) or JAPANESE.match(after)
    is_sign = end - start == 1 or before.isdigit() or after.isdigit()
    for one in state.delimiters[count:]:
        if is_ja and mark != "_":
            one.open, one.close = bool(after.strip()), bool(before.strip())
        elif is_sign and mark == "*" and before.isalnum() and after.isalnum():
            one.open = one.close = False
    return True


def _plain(tokens: Sequence[Token]) -> str:
    """Return what the tokens of a paragraph say; images and bare addresses do not. Pure."""
    kept: list[str] = []
    hidden = 0
    for token in tokens:
        if token.tag == "s" or token.markup == "autolink":
            hidden += token.nesting
        elif not hidden and token.type in _SAID:
            kept.append(token.content)
        elif token.type in _BREAKS:
            kept.append("\n")
    text = cleaned("".join(kept))  # an entity may be anything
    return " ".join(joined(text.split("\n")).split())


def _after_front_matter(lines: list[str]) -> int:
    if lines[0].rstrip() == "---" and _KEY.match("".join(lines[1:2])):
        for number, line in enumerate(lines[1:200], start=2):
            if line.rstrip() in ("---", "..."):
                return number
    return 0


def _ends_ja(text: str) -> bool:
    return text[-1] in "。、！？」"
