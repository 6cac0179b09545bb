"""``diary.import``: a chat log of another program becomes part of a soul's diary, once."""

from __future__ import annotations

import logging
import sys

import msgspec

from soul_client.wire import DiaryImport, DiaryImported
from sould.supervisor.diary import Record
from sould.supervisor.intake import Intake, Reader
from sould.supervisor.request import Request
from sould.supervisor.shelf import require_absolute

log = logging.getLogger(__name__)

READER = Reader(
    command=(sys.executable, "-m", "sould", "read-chats"),
    result=DiaryImported,
    record=Record,
    total=lambda read: read.messages,
)


class Importing:
    """The handler."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def import_log(self, request: Request, params: DiaryImport) -> DiaryImported:
        """Take a chat log into the diary of the soul in use; errors as :meth:`Intake.take`."""
        path = str(require_absolute(params.path))
        taken = await self._intake.take(request, READER, path, dry_run=params.dry_run)
        log.info("imported kind=%s added=%d known=%d", taken.read.kind, taken.added, taken.known)
        return msgspec.structs.replace(
            taken.read, added=taken.added, known=taken.known, dry_run=params.dry_run
        )
