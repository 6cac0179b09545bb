"""``diary.feed`` and ``diary.documents``: documents become statements in a soul's diary, once."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Set

import msgspec
from msgspec import Struct

from soul_client.wire import Document, DocumentFeed, Documents, Empty, Fed
from sould.chats.records import UNKNOWN_DAY
from sould.supervisor.diary import Diary, Statement
from sould.supervisor.intake import Intake, Reader
from sould.supervisor.request import Request
from sould.supervisor.shelf import require_absolute
from sould.supervisor.wardrobe import Wardrobe

log = logging.getLogger(__name__)

READER = Reader(
    command=(sys.executable, "-m", "sould", "read-documents"),
    result=Fed,
    record=Statement,
    total=lambda read: read.statements,
)


class _Counted(Struct):
    """What is known of a document so far: ids of its statements, and when it was fed first."""

    fed: str
    ids: set[str]


class Feeding:
    """The handlers."""

    def __init__(self, intake: Intake, diary: Diary, wardrobe: Wardrobe) -> None:
        self._intake = intake
        self._diary = diary
        self._wardrobe = wardrobe

    async def feed(self, request: Request, params: DocumentFeed) -> Fed:
        """Take documents into the diary of the soul in use; errors as :meth:`Intake.take`."""
        path = str(require_absolute(params.path))
        taken = await self._intake.take(request, READER, path, dry_run=params.dry_run)
        log.info(
            "fed documents=%d added=%d known=%d", taken.read.documents, taken.added, taken.known
        )
        return msgspec.structs.replace(
            taken.read, added=taken.added, known=taken.known, dry_run=params.dry_run
        )

    async def list_documents(self, request: Request, params: Empty) -> Documents:
        """List the documents of the soul in use."""
        request.ack()
        soul, taught = self._wardrobe.name, self._wardrobe.taught
        listing = asyncio.to_thread(documents_of, self._diary, soul, taught)
        return Documents(soul=soul, documents=await request.race(listing))


def documents_of(diary: Diary, soul: str, taught: Set[str]) -> list[Document]:
    """Read which documents a soul was fed, in that order. Blocking."""
    found: dict[str, _Counted] = {}
    for record in diary.read(diary.day_file(UNKNOWN_DAY)):
        if isinstance(record, Statement) and (record.soul == soul or record.id in taught):
            counted = found.setdefault(record.source, _Counted(fed=record.ts, ids=set()))
            counted.ids.add(record.id)
    return [
        Document(
            name=name,
            statements=len(one.ids),
            learned=len(one.ids & taught),
            fed=one.fed,
        )
        for name, one in found.items()
    ]
