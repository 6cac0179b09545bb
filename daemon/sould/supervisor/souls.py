"""``soul.*`` and ``text.score``: which soul is in use, its files, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from soul_client import codec
from soul_client.wire import (
    Empty,
    SoulDiff,
    SoulDifference,
    SoulExport,
    SoulFile,
    SoulGenerations,
    SoulHistoryOf,
    SoulImport,
    SoulList,
    SoulLoad,
    SoulRef,
    SoulSave,
    SoulStatus,
    SoulUndo,
    SoulVerified,
    SoulVerify,
    TextScore,
    TextScored,
)
from sould.errors import EngineDied, SouldError, SoulInvalid, SoulMismatch, StorageError
from sould.plugin import structs
from sould.soulfile.history import meta_of
from sould.soulfile.home import SoulFolder, SoulHome
from sould.supervisor import shelf
from sould.supervisor.children import run_child
from sould.supervisor.converting import Converter
from sould.supervisor.engine import Engine
from sould.supervisor.learner import Learner
from sould.supervisor.loaded import loaded
from sould.supervisor.plugins.hooks import Plugins
from sould.supervisor.reports import Reports
from sould.supervisor.request import Request
from sould.supervisor.scheduler import Scheduler
from sould.supervisor.wardrobe import Wardrobe

log = logging.getLogger(__name__)

VERIFY_COMMAND = (sys.executable, "-m", "sould", "verify")


class Souls:
    """Handlers. What changes the soul in use runs alone: no turn, and no learning, meanwhile."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        engine: Engine,
        learner: Learner,
        wardrobe: Wardrobe,
        folder: SoulFolder,
        clock: Callable[[], datetime],
        body_name: Callable[[], str],
        plugins: Plugins,
        reports: Reports,
        converter: Converter,
        verify_command: Sequence[str] = VERIFY_COMMAND,
    ) -> None:
        self._scheduler = scheduler
        self._engine = engine
        self._learner = learner
        self._wardrobe = wardrobe
        self._folder = folder
        self._clock = clock
        self._body_name = body_name
        self._plugins = plugins
        self._reports = reports
        self._converter = converter
        self._verify_command = verify_command

    async def list(self, request: Request, params: Empty) -> SoulList:
        """List ``workspace/souls/``."""
        request.ack()
        reading = asyncio.to_thread(
            shelf.entries, self._folder, self._wardrobe.name, self._engine.body
        )
        return SoulList(souls=await request.race(reading))

    async def history(self, request: Request, params: SoulHistoryOf) -> SoulGenerations:
        """List the generations of a soul."""
        request.ack()
        home = self._folder.home(params.name or self._wardrobe.name)
        return await request.race(asyncio.to_thread(shelf.history, home))

    async def use(self, request: Request, params: SoulRef) -> SoulStatus:
        """Use another soul."""
        async with self._alone(request):
            self._folder.home(params.name)
            return await self._switch(params.name)

    async def new(self, request: Request, params: SoulRef) -> SoulStatus:
        """Begin a new soul, and use it."""
        async with self._alone(request):
            home = await asyncio.to_thread(self._folder.new, params.name)
            try:
                return await self._switch(params.name)
            except SouldError:
                await asyncio.to_thread(_remove_empty, home.folder)
                raise

    async def load(self, request: Request, params: SoulLoad) -> SoulStatus:
        """Use a soul by its name, or one that a file holds."""
        async with self._alone(request):
            name = params.source
            if Path(params.source).is_absolute():
                name = (await self._take_in(request, Path(params.source), "", must_fit=True)).name
            self._folder.home(name)
            return await self._switch(name)

    async def save(self, request: Request, params: SoulSave) -> SoulStatus:
        """Write the soul in use now, and perhaps a copy under another name."""
        async with self._saved(request, "save"):
            active = self._wardrobe.name
            if params.name not in ("", active):
                await asyncio.to_thread(
                    lambda: self._folder.copy(active, params.name, now=self._clock())
                )
            return self._wardrobe.status()

    async def undo(self, request: Request, params: SoulUndo) -> SoulStatus:
        """Go back to an older generation; what waits to be learned is let go with the rest."""
        async with self._alone(request):
            await self._save_unless_dead("undo")
            await asyncio.to_thread(self._go_back, params)
            await self._wardrobe.again()
            return self._wardrobe.status()

    def _go_back(self, params: SoulUndo) -> None:
        """Go back, and let the nights since then say that they were undone, so that what they went
        over is dreamt of again. Blocking.
        """
        home, now = self._folder.home(self._wardrobe.name), self._clock()
        older = home.older(steps=params.steps, to=params.to, now=now)
        home.go_back(older, now=now)
        try:
            self._reports.mark_gone_back(home.name, meta_of(older).saved)
        except StorageError as e:  # it went back all the same
            log.warning("reports of nights that were undone do not say so: %s", e)

    async def reset(self, request: Request, params: Empty) -> SoulStatus:
        """Begin the soul in use anew, with nothing learned."""
        async with self._alone(request):
            await self._save_unless_dead("reset")
            home = self._folder.home(self._wardrobe.name)
            await asyncio.to_thread(lambda: home.reset(now=self._clock()))
            await self._wardrobe.again()
            return self._wardrobe.status()

    async def export(self, request: Request, params: SoulExport) -> SoulFile:
        """Copy a soul to a file."""
        path = shelf.require_absolute(params.path)
        async with self._saved(request, "export", params.name):
            name = params.name or self._wardrobe.name
            if params.original:
                home = self._folder.home(name)
                size_bytes = await self._converter.theirs(
                    request, home, path, replace=params.replace
                )
            else:
                size_bytes = await asyncio.to_thread(
                    lambda: self._folder.export(name, path, replace=params.replace)
                )
            return SoulFile(name=name, path=str(path), size_bytes=size_bytes)

    async def import_file(self, request: Request, params: SoulImport) -> SoulFile:
        """Take a file in; it is not used before somebody says so."""
        path = shelf.require_absolute(params.path)
        async with self._scheduler.slot(request, exclusive=True):
            home = await self._take_in(request, path, params.name)
            newest, _ = await asyncio.to_thread(home.newest)
            assert newest is not None
            return SoulFile(name=home.name, path=str(newest.path), size_bytes=newest.size_bytes)

    async def verify(self, request: Request, params: SoulVerify) -> SoulVerified:
        """Check every bit of a file, in a child process."""
        request.ack()
        return await self._verify(request, shelf.require_absolute(params.path))

    async def diff(self, request: Request, params: SoulDiff) -> SoulDifference:
        """Compare two souls, or generations of them."""
        async with (
            self._scheduler.slot(request),
            loaded(self._engine, self._body_name(), request),
        ):
            active = self._wardrobe.worn_name
            named = {params.a.partition("@")[0], params.b.partition("@")[0]}
            if active in named and self._wardrobe.is_unsaved:  # else a night goes on
                async with self._learner.stopped():
                    await self._wardrobe.save("diff")
            a, b = [
                await asyncio.to_thread(shelf.resolve, self._folder, ref)
                for ref in (params.a, params.b)
            ]
            order = SoulDiff(a=a, b=b, probes=params.probes)
            found = await request.race(self._engine.ask("soul.diff", order, request.progress))
            assert isinstance(found, SoulDifference)
            return msgspec.structs.replace(found, a=params.a, b=params.b)

    async def score(self, request: Request, params: TextScore) -> TextScored:
        """Say how likely texts are."""
        async with (
            self._scheduler.slot(request),
            loaded(self._engine, self._body_name(), request),
        ):
            scored = await request.race(self._engine.ask("text.score", params, request.progress))
            assert isinstance(scored, TextScored)
            return scored

    @asynccontextmanager
    async def _alone(self, request: Request) -> AsyncIterator[None]:
        """Hold the engine's only slot, and the soul still. What is begun inside is finished."""
        async with self._scheduler.slot(request, exclusive=True):
            with self._engine.held():
                async with self._learner.stopped():
                    yield

    @asynccontextmanager
    async def _saved(self, request: Request, why: str, name: str = "") -> AsyncIterator[None]:
        """Do as :meth:`_alone` does, with all of the soul in use on disk; a night in which it is
        already goes on, and so does whatever is done when it is about another soul.
        """
        async with self._scheduler.slot(request, exclusive=True):
            with self._engine.held():
                is_other = name not in ("", self._wardrobe.name)
                if is_other or (self._learner.is_asleep and not self._wardrobe.is_unsaved):
                    yield
                    return
                async with self._learner.stopped():
                    await self._wardrobe.save(why)
                    yield

    async def _switch(self, name: str) -> SoulStatus:
        """Save the soul in use and use another. A soul that cannot be saved may be left all
        the same: what it learned is in its journal, or waits in the diary.
        """
        with contextlib.suppress(SouldError):
            await self._wardrobe.save("switch")
        await self._wardrobe.change(name)
        return self._wardrobe.status()

    async def _save_unless_dead(self, why: str) -> None:
        """Save before a step back; without an engine, the step itself saves the journal."""
        with contextlib.suppress(EngineDied):
            await self._wardrobe.save(why)

    async def _take_in(
        self, request: Request, path: Path, name: str, *, must_fit: bool = False
    ) -> SoulHome:
        """Check a file and make a soul of it; one of the original engine is for the body at hand.

        Raises:
            SoulInvalid: it is unsound, or a plugin objects to it.
            SoulMismatch: it must fit the loaded body, and does not.
            SouldError: there is a soul of that name, or it cannot be written.
        """
        async with self._converter.ours(request, path, name) as ours:
            return await self._take_in_ours(request, ours, name, must_fit=must_fit)

    async def _take_in_ours(
        self, request: Request, path: Path, name: str, *, must_fit: bool
    ) -> SoulHome:
        checked = await self._verify(request, path)
        if checked.faults:
            raise SoulInvalid(f"{path}: {checked.faults[0]}")
        if must_fit and checked.fits is False and (body := self._engine.body):
            raise SoulMismatch(
                f"soul '{checked.name}' was grown on body {checked.body_name} "
                f"({checked.body[:12]}…), the loaded body is {body.name} "
                f"({body.fingerprint[:12]}…)",
                f"load that body, or 'soul import' the file and run 'soul reincarnate "
                f"{checked.name} --body {body.name}'",
            )
        if objection := await request.race(self._plugins.vet_soul(_as_plugins_get_it(checked))):
            raise SoulInvalid(f"{path}: {objection}")
        return await asyncio.to_thread(
            lambda: self._folder.import_file(path, name, now=self._clock())
        )

    async def _verify(self, request: Request, path: Path) -> SoulVerified:
        command = [*self._verify_command, "--", str(path)]
        checked = codec.convert(
            await request.race(run_child(command, request.progress)), SoulVerified
        )
        body = self._engine.body
        if checked.faults or body is None:
            return checked
        return msgspec.structs.replace(checked, fits=checked.body == body.fingerprint)


def _as_plugins_get_it(checked: SoulVerified) -> structs.SoulFile:
    return structs.SoulFile(
        path=checked.path,
        name=checked.name,
        body=checked.body,
        body_name=checked.body_name,
        level=checked.level,
    )


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a soul that never had a generation."""
    with contextlib.suppress(OSError):
        folder.rmdir()
