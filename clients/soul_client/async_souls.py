"""What an async client asks about souls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from soul_client import calls
from soul_client.async_stream import AsyncStream
from soul_client.calls import Call
from soul_client.stream import OnUpdate
from soul_client.wire import (
    DiaryImported,
    Documents,
    Fed,
    Forgotten,
    Reincarnated,
    SleepReport,
    SleepReports,
    SoulDifference,
    SoulFile,
    SoulGenerations,
    SoulList,
    SoulReasons,
    SoulStatus,
    SoulVerified,
    TextScored,
)

R = TypeVar("R")


class AsyncSouls:
    """The part of ``AsyncClient`` that is about souls; ``start`` and the like are the client's.

    Paths are absolute: the daemon has a working directory of its own.
    """

    async def _finish(self, call: Call[R], on_update: OnUpdate | None = None) -> R:
        raise NotImplementedError

    async def start(self, call: Call[R], *, timeout_s: float | None = None) -> AsyncStream[R]:
        raise NotImplementedError

    async def cancel(self, target: str = "") -> list[str]:
        raise NotImplementedError

    async def souls(self) -> SoulList:
        """List the souls of the workspace, by name."""
        return await self._finish(calls.souls())

    async def soul_use(self, name: str, *, on_update: OnUpdate | None = None) -> SoulStatus:
        """Use another soul from now on; the one that is left is saved first."""
        return await self._finish(calls.soul_use(name), on_update)

    async def soul_new(self, name: str, *, on_update: OnUpdate | None = None) -> SoulStatus:
        """Begin an empty soul and use it."""
        return await self._finish(calls.soul_new(name), on_update)

    async def soul_save(self, name: str = "", *, on_update: OnUpdate | None = None) -> SoulStatus:
        """Write the soul in use now; with ``name``, a copy under that name too."""
        return await self._finish(calls.soul_save(name), on_update)

    async def soul_load(self, source: str, *, on_update: OnUpdate | None = None) -> SoulStatus:
        """Use a soul by its name, or import a ``.soul`` file and use that."""
        return await self._finish(calls.soul_load(source), on_update)

    async def soul_history(self, name: str = "") -> SoulGenerations:
        """List the generations of a soul, newest first; "" is the one in use."""
        return await self._finish(calls.soul_history(name))

    async def soul_undo(
        self, steps: int = 1, *, to: int | None = None, on_update: OnUpdate | None = None
    ) -> SoulStatus:
        """Go back ``steps`` generations, or to the one numbered ``to``; what is left is kept."""
        return await self._finish(calls.soul_undo(steps, to=to), on_update)

    async def soul_reset(self, *, on_update: OnUpdate | None = None) -> SoulStatus:
        """Make the soul in use forget all it learned; ``soul_undo`` brings it back."""
        return await self._finish(calls.soul_reset(), on_update)

    async def soul_sleep(self, *, on_update: OnUpdate | None = None) -> SleepReport:
        """Let the soul in use go over what it was told, as dreams, while nobody talks to it.

        It is over when the report comes; stopped, it is as it was.
        """
        return await self._finish(calls.soul_sleep(), on_update)

    async def soul_fall_asleep(self, *, on_update: OnUpdate | None = None) -> SleepReport | None:
        """Begin a night, which goes on by itself: then None. Else why there was nothing to do."""
        return await (await self.start(calls.soul_sleep())).begin(on_update)

    async def soul_wake(self) -> bool:
        """End the night that goes on; what was dreamt so far is kept if it passes the exam. Tells
        whether it was night.
        """
        return bool(await self.cancel("sleep"))

    async def soul_report(self) -> SleepReport:
        """Return the report of the last night."""
        return await self._finish(calls.soul_report())

    async def soul_reports(self, limit: int = 100) -> SleepReports:
        """Read what came of the newest nights of the soul in use, oldest first."""
        return await self._finish(calls.soul_reports(limit))

    async def soul_forget(
        self,
        what: str,
        *,
        dry_run: bool = False,
        wait: bool = False,
        document: bool = False,
        on_update: OnUpdate | None = None,
    ) -> Forgotten:
        """Take what was said out of the diary and out of the soul in use, for good.

        ``what``: a text that was said, or the id of a diary record. ``dry_run``: only say what
        that would be. ``wait``: until the soul has learned again what it had learned after it.
        ``document``: ``what`` is the name of a document that was fed.
        """
        call = calls.soul_forget(what, dry_run=dry_run, wait=wait, document=document)
        return await self._finish(call, on_update)

    async def soul_reincarnate(
        self,
        name: str,
        body: str = "",
        *,
        accept: bool = False,
        on_update: OnUpdate | None = None,
    ) -> Reincarnated:
        """Have a soul reborn on another body, from the diary; what was begun goes on.

        The old soul stays as it is. ``accept``: the reborn one takes its name, and the old one
        is kept under another.
        """
        return await self._finish(calls.soul_reincarnate(name, body, accept=accept), on_update)

    async def soul_export(
        self,
        path: str,
        name: str = "",
        *,
        replace: bool = False,
        original: bool = False,
        on_update: OnUpdate | None = None,
    ) -> SoulFile:
        """Copy a soul to a file; "" is the one in use. ``original``: for the original engine."""
        call = calls.soul_export(path, name, replace=replace, original=original)
        return await self._finish(call, on_update)

    async def soul_import(
        self, path: str, name: str = "", *, on_update: OnUpdate | None = None
    ) -> SoulFile:
        """Take a ``.soul`` file in, without using it; ``name`` "" is the one it has."""
        return await self._finish(calls.soul_import(path, name), on_update)

    async def diary_import(
        self, path: str, *, dry_run: bool = False, on_update: OnUpdate | None = None
    ) -> DiaryImported:
        """Take a chat log into the diary of the soul in use: what is there already is not taken
        in again. It is learned at night. ``dry_run``: only say what there is in it.
        """
        return await self._finish(calls.diary_import(path, dry_run=dry_run), on_update)

    async def diary_feed(
        self, path: str, *, dry_run: bool = False, on_update: OnUpdate | None = None
    ) -> Fed:
        """Take a document, or a folder of them, into the diary of the soul in use: what is there
        already is not taken in again. It is learned at night. ``dry_run``: only look.
        """
        return await self._finish(calls.diary_feed(path, dry_run=dry_run), on_update)

    async def diary_documents(self) -> Documents:
        """List the documents that the soul in use was fed."""
        return await self._finish(calls.diary_documents())

    async def soul_verify(self, path: str, *, on_update: OnUpdate | None = None) -> SoulVerified:
        """Check every bit of a ``.soul`` file; what is wrong with it is in ``faults``."""
        return await self._finish(calls.soul_verify(path), on_update)

    async def soul_diff(
        self,
        a: str,
        b: str,
        probes: Sequence[str] = (),
        *,
        on_update: OnUpdate | None = None,
    ) -> SoulDifference:
        """Compare two souls, and what they answer to ``probes``.

        ``name@N`` is a generation, "" the bare body.
        """
        return await self._finish(calls.soul_diff(a, b, probes), on_update)

    async def soul_why(
        self, question: str, answer: str = "", *, on_update: OnUpdate | None = None
    ) -> SoulReasons:
        """Say which nights and records made the soul's answer likelier.

        Without ``answer`` it is what the soul says to the question, in an empty context.
        """
        return await self._finish(calls.soul_why(question, answer), on_update)

    async def text_score(
        self, texts: Sequence[str], *, bare: bool = False, on_update: OnUpdate | None = None
    ) -> TextScored:
        """Say how likely each text is to the body, with its soul or ``bare``."""
        return await self._finish(calls.text_score(texts, bare=bare), on_update)
