"""The text of a PDF, page by page. Untrusted: size, pages and time are bounded, and what the
library makes of a damaged file is never more than a reason why it is not read."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from io import BytesIO

from pypdf import PdfReader

from sould.documents.limits import MAX_PAGE_CHARS, MAX_PAGES
from sould.documents.passage import Passage, Unreadable
from sould.documents.text import cleaned, of_text, paired

_HYPHEN = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
_PAGE_NUMBER = re.compile(r"[\s–—−－-]*(?:page )?\d{1,3}(?: ?(?:/|of) ?\d{1,3})?[\s–—−－-]*", re.I)
"""A line with nothing else; one of four digits may be a year."""


def of_pdf(data: bytes) -> Iterator[Passage]:
    """Yield the paragraphs of a PDF; their place is the page.

    Raises:
        Unreadable: it is none, is damaged, encrypted, or over a limit.
    """
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote the file
    if b"%PDF-" not in data[:1024]:
        raise Unreadable("damaged", "is no PDF, whatever its name says")
    for number, text in enumerate(_pages(data), start=1):
        if len(text) > MAX_PAGE_CHARS:
            raise Unreadable("too_large", f"has more than {MAX_PAGE_CHARS} characters on a page")
        said = list(of_text(_HYPHEN.sub("", _without_number(cleaned(text)))))
        for n, one in enumerate(said, start=1):
            yield Passage(text=one.text, place=number, is_cut=n == len(said))


def _without_number(text: str) -> str:
    """Return the text of a page without its number at the top or the bottom. Pure."""
    lines = text.strip().split("\n")
    if _PAGE_NUMBER.fullmatch(lines[0]):
        del lines[0]
    if lines and _PAGE_NUMBER.fullmatch(lines[-1]):
        del lines[-1]
    return "\n".join(lines)


def _pages(data: bytes) -> Iterator[str]:
    try:
        reader = PdfReader(BytesIO(data))
        if reader.is_encrypted:
            raise Unreadable("encrypted", "is encrypted: save it without a password")
        if len(reader.pages) > MAX_PAGES:
            raise Unreadable("too_large", f"has {len(reader.pages)} pages, at most {MAX_PAGES}")
        for page in reader.pages:
            yield paired(page.extract_text())
    except Unreadable:
        raise
    except MemoryError as e:
        raise Unreadable("too_large", "unpacks to more than is allowed") from e
    except Exception as e:  # the library raises whatever a hostile file makes it stumble over
        raise Unreadable("damaged", f"is a damaged PDF ({type(e).__name__})") from e
