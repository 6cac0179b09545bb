"""What is read from a document, whatever kind it is, and why one cannot be read."""

from __future__ import annotations

from msgspec import Struct

from soul_client.wire import UnreadReason

SIGN = " › "  # between headings


class Passage(Struct, frozen=True, kw_only=True):
    """Text that belongs together: a paragraph, an item of a list.

    ``heading``: what it stands under, the headings above it joined. ``place``: the line it begins
    in, or the page of a PDF, from 1. ``is_cut``: a page ends with it, maybe amid a sentence.
    """

    text: str
    place: int
    heading: str = ""
    is_cut: bool = False


class Unreadable(Exception):
    """A document is not read. ``message`` begins with a verb, and the document goes before it."""

    def __init__(self, why: UnreadReason, message: str) -> None:
        super().__init__(message)
        self.why = why
        self.message = message
