"""Statements of documents as records of a soul's diary, the same ones whenever they are read."""

from __future__ import annotations

import hashlib
import json

from sould.chats.records import UNKNOWN_DAY
from sould.documents.sentences import Sentence
from sould.supervisor.diary import Statement

_DAY_S = 86_400


def statement_of(said: Sentence, *, source: str, soul: str, fed: str) -> Statement:
    """Return the record of a statement. Pure.

    Its id follows from the soul and the words alone: what two documents say, or one that was
    renamed, is taken in once. They say nothing of when, so all lie in the diary's file of
    ``UNKNOWN_DAY``. ``fed``: when it is taken in, RFC 3339.
    """
    digest = hashlib.sha256(json.dumps(["document", soul, said.text]).encode()).digest()
    minutes, second = divmod(int.from_bytes(digest[4:8], "big") % _DAY_S, 60)
    clock = f"{minutes // 60:02}{minutes % 60:02}{second:02}"
    return Statement(
        id=f"{UNKNOWN_DAY.replace('-', '')}T{clock}-{digest[:4].hex()}u",
        ts=fed,
        role="document",
        text=said.text,
        session=f"document-{hashlib.sha256(source.encode()).hexdigest()[:12]}",
        soul=soul,
        imported=fed,
        source=source,
        heading=said.heading,
        place=said.place,
    )
